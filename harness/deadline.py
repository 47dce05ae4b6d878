"""One moment in time that nested waits share, instead of a timeout number each.

Time in which this process did not run does not count: a suspended host, a stopped job, a
virtual machine that was not scheduled. The guest could not run either, and must not be
said to hang. The same goes for time in which a guest's process alone was stopped, for the
thread that drives that guest.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from weakref import WeakSet

from harness.errors import UserError

_TICK_SECONDS = 1.0
# A tick that is so late means that the process did not run; a busy host is late by less.
_GAP_SECONDS = 4.0


def check_patience(factor: float) -> None:
    """Raises UserError for a factor that makes no deadline of one."""
    if not 0 < factor < math.inf:
        raise UserError(
            f"--patience {factor:g}: no deadline is left",
            hint="--patience 1, or more where the host is slow",
        )


class NoLongerWanted(BaseException):
    """Nobody waits any more for what this thread does: it unwinds as at Ctrl-C."""


class _Clock:
    """The monotonic clock, less the time in which not even a thread that only ticks ran.

    And less what else it is told to leave out, which is a thread's own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ticking = False
        self._read_at = 0.0
        self._lost = 0.0
        self._left_out: dict[int, float] = {}
        self._unwanted: WeakSet[threading.Thread] = WeakSet()

    def now(self) -> float:
        with self._lock:
            read_at = time.monotonic()
            if not self._ticking:
                self._start(read_at)
            if read_at - self._read_at > _GAP_SECONDS:
                self._lost += read_at - self._read_at - _TICK_SECONDS
            self._read_at = read_at
            return read_at - self._lost - self._left_out.get(threading.get_ident(), 0.0)

    def lost(self) -> float:
        """Seconds so far that were left out."""
        self.now()
        return self._lost + self._left_out.get(threading.get_ident(), 0.0)

    def leave_out(self, seconds: float, thread: int) -> None:
        with self._lock:
            self._left_out[thread] = self._left_out.get(thread, 0.0) + seconds

    def give_up(self, thread: threading.Thread) -> None:
        with self._lock:
            self._unwanted.add(thread)

    def spare(self) -> None:
        with self._lock:
            self._unwanted.discard(threading.current_thread())

    def heed(self) -> None:
        """Raise NoLongerWanted, once, where ``give_up`` named this thread."""
        if not self._unwanted:
            return
        with self._lock:
            if threading.current_thread() not in self._unwanted:
                return
            self._unwanted.discard(threading.current_thread())
        raise NoLongerWanted

    def _start(self, now: float) -> None:
        self._ticking, self._read_at = True, now
        threading.Thread(target=self._tick, name="deadline-clock", daemon=True).start()

    def _tick(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            self.now()


_CLOCK = _Clock()


def seconds_stood_still() -> float:
    """How long this process, or a guest's, has not run so far, since the first deadline was set."""
    return _CLOCK.lost()


def give_up(thread: threading.Thread) -> None:
    """Have a thread raise NoLongerWanted, once, where it next looks at a deadline."""
    _CLOCK.give_up(thread)


def spare() -> None:
    """This thread is at its end anyway: it raises no more, and cleans up in its own time."""
    _CLOCK.spare()


@dataclass(frozen=True, slots=True)
class Standstill:
    """A time in which a guest's process is stopped, while this one runs.

    ``thread`` is who drives that guest, by its ``ident``.
    """

    thread: int
    since: float

    @classmethod
    def begin(cls, thread: int) -> Standstill:
        return cls(thread, _CLOCK.now())

    def end(self) -> None:
        """Take it off the thread's deadlines; what no thread ran of it is off already."""
        _CLOCK.leave_out(_CLOCK.now() - self.since, self.thread)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on that clock, handed down to whatever may have to wait.

    It is of the thread that made it. Looking at it raises NoLongerWanted after ``give_up``.
    """

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment ``seconds`` from now."""
        return cls(_CLOCK.now() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        _CLOCK.heed()
        return max(0.0, self.at - _CLOCK.now())

    @property
    def expired(self) -> bool:
        return self.remaining == 0.0
