"""Processes of the host, whoever started them."""

from __future__ import annotations

import contextlib
from pathlib import Path


def processes_with(text: str) -> list[int]:
    """Ids of processes whose command line has this in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found
