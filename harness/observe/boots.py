"""Kernels that begin on one console: one after another means that the guest was reset.

Unless it was switched off and on: the line ``POWER_CUT`` in a console, which is written
there by whoever did it, says so.
"""

from __future__ import annotations

from typing import Final

from harness.observe.classes.panics import REBOOT
from harness.observe.lines import Line

POWER_CUT: Final = "daxhound: power cut"
"""A line by itself: what comes behind it is the next boot's."""

_NOT_YET = "0.000000"  # before the clock ticks, every boot says the same
_BEGINNING_LINES = 8  # with what they say and when, a boot is told from a dump of the log


class BootCounter:
    """Finds a kernel's banner where a kernel ran before, and that is no copy of its log.

    A dump of the log (``dmesg``) repeats what followed the first banner, times included;
    a kernel that really starts again comes to few of its lines at the same microsecond.
    """

    def __init__(self) -> None:
        self._first: Line | None = None
        self._beginning: dict[tuple[str, str], float] = {}
        self._second: Line | None = None
        self._repeated = 0
        self._last_number = 0
        self._ran = False  # a kernel spoke whose banner was before this console's beginning

    def take(self, line: Line) -> Line | None:
        """The banner of another boot, once this line shows that it is one; else None."""
        starts_line = line.number != self._last_number
        self._last_number = line.number
        if self._is_banner(line):
            return self._take_banner(line)
        if line.time in (None, "", _NOT_YET):
            return None
        if self._second is not None:
            return self._judge(line, float(line.time))
        if self._first is None:
            self._ran = self._ran or starts_line  # a hypervisor has its name before the time
        elif len(self._beginning) < _BEGINNING_LINES:
            self._beginning[line.time, line.text] = float(line.time)
        return None

    def close(self) -> Line | None:
        """The banner that too little came after, at the console's end."""
        banner, self._second = self._second, None
        return banner

    def _is_banner(self, line: Line) -> bool:
        """Whether it is a kernel's first line on a console, printed as the first one was."""
        if line.archived or REBOOT.marker.match(line.text) is None:
            return False
        return self._first is None or self._first.timed == line.timed

    def _take_banner(self, line: Line) -> Line | None:
        if self._first is None:
            self._first = line
            return line if self._ran and line.time == _NOT_YET else None
        earlier, self._second, self._repeated = self._second, line, 0
        return earlier

    def _judge(self, line: Line, time: float) -> Line | None:
        self._repeated += (line.time, line.text) in self._beginning
        if time <= max(self._beginning.values(), default=0.0):
            return None
        banner, self._second = self._second, None
        copied = self._beginning and self._repeated * 2 >= len(self._beginning)
        return None if copied else banner
