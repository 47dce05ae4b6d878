"""Kernels that begin on one console: the second one means that the guest was reset.

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


class BootCounter:
    """Finds a kernel's banner that comes again, and is no copy of the log's beginning.

    A dump of the log (``dmesg``) repeats the first banner with all that follows, times
    included. A kernel that really starts again never does: its first time but zero differs.
    """

    def __init__(self) -> None:
        self._first: Line | None = None
        self._after_first: Line | None = None
        self._second: Line | None = None

    def take(self, line: Line) -> Line | None:
        """The banner of a second boot, once this line shows that it is one; else None."""
        if self._is_banner(line):
            return self._take_banner(line)
        if self._first is None or line.time in (None, _NOT_YET):
            return None
        if self._second is not None:
            return self._judge(line)
        if self._after_first is None:
            self._after_first = line
        return None

    def close(self) -> Line | None:
        """The banner that nothing came after, at the console's end."""
        banner, self._second = self._second, None
        return banner

    def _is_banner(self, line: Line) -> bool:
        """Whether it is a kernel's first line, printed the way the first one was."""
        if REBOOT.marker.match(line.text) is None:
            return False
        return self._first is None or self._first.timed == line.timed

    def _take_banner(self, line: Line) -> Line | None:
        if self._first is None:
            self._first = line
            return None
        earlier, self._second = self._second, line
        return earlier

    def _judge(self, line: Line) -> Line | None:
        banner, self._second = self._second, None
        first = self._after_first
        if first is not None and (first.time, first.text) == (line.time, line.text):
            return None
        return banner
