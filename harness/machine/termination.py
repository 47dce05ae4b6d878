"""How the harness itself ends when it is told to: every guest first."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

# Longer than every guest takes to end; who still waits then may interrupt that, too.
_UNWINDING_SECONDS = 15.0
_DEFAULTS: dict[signal.Signals, Callable[[int, FrameType | None], object] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}


class _Interruption:
    """Raises KeyboardInterrupt once; told again while that unwinds, it is at it already."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last < _UNWINDING_SECONDS:
            return
        self._last = now
        raise KeyboardInterrupt


@contextlib.contextmanager
def orderly_termination() -> Iterator[None]:
    """Within this, SIGTERM and SIGHUP unwind the stack as Ctrl-C does: KeyboardInterrupt.

    For the faces: Python's default for both ends the process with no cleanup at all, and a
    second Ctrl-C of somebody impatient would cut the cleanup short. Does nothing outside the
    main thread, or where someone else handles the signal already.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interruption = _Interruption()
    taken = [number for number, usual in _DEFAULTS.items() if signal.getsignal(number) is usual]
    for number in taken:
        signal.signal(number, interruption)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, _DEFAULTS[number])
