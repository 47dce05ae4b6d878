"""The kernel's messages about poisoned memory; they are its work, not a failure of it.

Source: mm/memory-failure.c kill_proc, action_result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SENDING = re.compile(r"Memory failure: 0x[0-9a-f]+: Sending SIGBUS to \S+?:\d+ due to ")
_RECOVERY = re.compile(
    r"Memory failure: 0x[0-9a-f]+: recovery action for (?P<type>.+): (?P<how>\w+)"
)


@dataclass(frozen=True, slots=True)
class MemoryFailure:
    """One poisoned page: processes told, and what became of it, as in "dax page: Recovered"."""

    sigbus_messages: int
    recovery: str | None


def parse_memory_failure(text: str) -> MemoryFailure:
    """The messages in lines of dmesg; of several recoveries the last."""
    recoveries = [f"{found['type']}: {found['how']}" for found in _RECOVERY.finditer(text)]
    return MemoryFailure(len(_SENDING.findall(text)), recoveries[-1] if recoveries else None)
