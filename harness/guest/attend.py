"""Blocking calls of a library made beside the console, which is read meanwhile."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from harness.deadline import Deadline
from harness.guest.watch import GuestWatch

_Answer = TypeVar("_Answer")

_SLICE_SECONDS = 0.5


def attend(
    watch: GuestWatch, call: Callable[[], _Answer], what: str, deadline: Deadline
) -> _Answer:
    """What ``call`` returns or raises, made in a thread while the console is judged.

    Raises KernelReported for a report on the console, and what explains the silence where
    the deadline passes first; the thread is then left to end when its connection is closed.
    """
    errand = _Errand(call)
    poll = select.poll()
    poll.register(errand.finished, select.POLLIN)
    poll.register(watch.console.fileno(), select.POLLIN)
    try:
        while not errand.done.is_set():
            if deadline.expired:
                raise watch.explain_silence(f"{what} does not answer")
            poll.poll(min(_SLICE_SECONDS, deadline.remaining) * 1000)
            if not errand.done.is_set():
                watch.check()
    finally:
        errand.finished.close()
    return errand.answer()


class _Errand(Generic[_Answer]):
    """One call in a thread; ``finished`` becomes readable when it has returned."""

    def __init__(self, call: Callable[[], _Answer]) -> None:
        self.done = threading.Event()
        self.finished, self._signal = socket.socketpair()
        self._call = call
        self._answers: list[_Answer] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="guest-errand", daemon=True).start()

    def answer(self) -> _Answer:
        if self._error is not None:
            raise self._error
        return self._answers[0]

    def _run(self) -> None:
        try:
            self._answers.append(self._call())
        except BaseException as exc:  # raised again where it is waited for
            self._error = exc
        finally:
            self.done.set()
            self._signal.close()  # wakes the poll: an end reads as readable
