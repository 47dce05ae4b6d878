"""One moment in time that nested waits share, instead of a timeout number each.

Time in which this process did not run does not count: a suspended host, a stopped job, a
virtual machine that was not scheduled. The guest could not run either, and must not be
said to hang. The same goes for time in which the guest's process alone was stopped.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

_TICK_SECONDS = 1.0
# A tick that is so late means that the process did not run; a busy host is late by less.
_GAP_SECONDS = 4.0


class _Clock:
    """The monotonic clock, less the time in which not even a thread that only ticks ran.

    And less what else it is told to leave out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ticking = False
        self._read_at = 0.0
        self._lost = 0.0

    def now(self) -> float:
        with self._lock:
            read_at = time.monotonic()
            if not self._ticking:
                self._start(read_at)
            if read_at - self._read_at > _GAP_SECONDS:
                self._lost += read_at - self._read_at - _TICK_SECONDS
            self._read_at = read_at
            return read_at - self._lost

    def lost(self) -> float:
        """Seconds so far that were left out."""
        self.now()
        return self._lost

    def leave_out(self, seconds: float) -> None:
        with self._lock:
            self._lost += seconds

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


@dataclass(frozen=True, slots=True)
class Standstill:
    """A time in which a guest's process is stopped, while this one runs."""

    since: float

    @classmethod
    def begin(cls) -> Standstill:
        return cls(_CLOCK.now())

    def end(self) -> None:
        """Take it off every deadline; what this process did not run of it is off already."""
        _CLOCK.leave_out(_CLOCK.now() - self.since)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on that clock, handed down to whatever may have to wait."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment ``seconds`` from now."""
        return cls(_CLOCK.now() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - _CLOCK.now())

    @property
    def expired(self) -> bool:
        return self.remaining == 0.0

    def sooner(self, seconds: float) -> Deadline:
        """The earlier of this deadline and ``seconds`` from now."""
        return Deadline(min(self.at, _CLOCK.now() + seconds))
