"""How the harness itself ends when it is told to: every guest first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def orderly_termination() -> Iterator[None]:
    """Within this, SIGTERM and SIGHUP unwind the stack as Ctrl-C does: KeyboardInterrupt.

    For the faces: Python's default for both ends the process with no cleanup at all. Does
    nothing outside the main thread, or where someone else handles the signal already.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = (signal.SIGTERM, signal.SIGHUP)
    taken = [number for number in wanted if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
