"""Waiting for a child's end, and not counting the time in which something had it stopped.

A stopped QEMU cannot run its guest, whose clock goes on all the same.
"""

from __future__ import annotations

import os
import subprocess

from harness.deadline import Standstill

_STOPS = os.WSTOPPED | os.WCONTINUED


def wait_for_end(process: subprocess.Popen[bytes], thread: int) -> None:
    """Return when the child has ended; its ``returncode`` is set.

    ``thread`` is whose deadlines stand still with it, by its ``ident``.
    """
    standstill: Standstill | None = None
    while (stop_or_go := _next_stop(process.pid)) is not None:
        if standstill is not None:
            standstill.end()
        standstill = Standstill.begin(thread) if stop_or_go == os.CLD_STOPPED else None
    process.wait()


def _next_stop(pid: int) -> int | None:
    """CLD_STOPPED or CLD_CONTINUED, as soon as there is one; None at the child's end."""
    while True:
        try:
            # Not reaped here: Popen would take it for somebody else's child from then on.
            seen = os.waitid(os.P_PID, pid, os.WEXITED | _STOPS | os.WNOWAIT)
            if seen is None or seen.si_code not in (os.CLD_STOPPED, os.CLD_CONTINUED):
                return None
            taken = os.waitid(os.P_PID, pid, _STOPS | os.WNOHANG)
        except ChildProcessError:  # reaped by a Popen.poll() of another thread
            return None
        if taken is not None:  # it may be another than was seen, and the later counts
            return taken.si_code
