"""Processes of the host, whoever started them."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path


def processes_with(text: str) -> list[int]:
    """Ids of processes whose command line has this in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def heed_signals() -> None:
    """For a child: a shell's background job, as a test run may be, ignores Ctrl-C and SIGHUP."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
