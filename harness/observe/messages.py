"""The kernel's messages during a step, as daxprobe's ``messages`` prints them."""

from __future__ import annotations

import re

from harness.errors import InfrastructureError

_LOST = re.compile(r"^lost=1$", re.MULTILINE)


def whole_messages(section: str) -> str:
    """The messages. Raises InfrastructureError where the log wrapped before all were read."""
    if _LOST.search(section):
        raise InfrastructureError("the guest's message log has wrapped")
    return section
