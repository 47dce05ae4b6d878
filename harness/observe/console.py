"""A kernel's console read as it comes: every report on it, in linear time and little memory.

What counts as a report is the table in ``reports.py``. A report is one event: the oops
after its "Unable to handle" line and the panic after the oops belong to it, whatever comes
between. The same text gives the same reports however it is cut into pieces.
"""

from __future__ import annotations

import re

from harness.observe.event import Event
from harness.observe.lines import Line, LineCutter
from harness.observe.report_class import RANK, ReportClass
from harness.observe.reports import CONSEQUENCE, PANIC, REBOOT, find_marker
from harness.records import KernelReport

_REPORTS_KEPT = 64  # a guest that complains without end; its first reports tell
_CUT_HERE = "[ cut here ]"
_CUT_LINES = 4  # the complaint comes within so many lines of "cut here"
_PANIC_LINES = 60  # a panic this close to a report may be its consequence


class ConsoleReader:
    """Reports of one console, from its first byte to its last."""

    def __init__(self) -> None:
        self._cutter = LineCutter()
        self._events: list[Event] = []
        self._open: Event | None = None
        self._cut_here = -_CUT_LINES
        self._banner_timed: bool | None = None

    @property
    def reports(self) -> tuple[KernelReport, ...]:
        """Every report that has ended, in order; a later panic may still add to the last."""
        return tuple(event.report() for event in self._events if event is not self._open)

    @property
    def open_report(self) -> KernelReport | None:
        """The report whose end has not come yet, as far as it goes; else None."""
        return None if self._open is None else self._open.report()

    @property
    def lines(self) -> int:
        """Lines so far, one that is not ended not included."""
        return self._cutter.count

    def feed(self, data: bytes) -> None:
        """Take in what the console said next, cut anywhere."""
        for line in self._cutter.feed(data):
            self._take(line)

    def close(self) -> None:
        """The console ended: so do its last line and an open report. May be called again."""
        for line in self._cutter.close():
            self._take(line)
        self._end()

    def _take(self, line: Line) -> None:
        if self._open is not None and self._open.is_end(line):
            self._open.add(line)
            self._end()
            return
        self._note_cut_here(line)
        if self._is_reboot(line):
            self._start(REBOOT, line, None)
            return
        found = find_marker(line.text)
        if found is not None:
            self._take_marker(line, *found)
        elif self._open is not None:
            self._open.add(line)
            if self._open.exhausted:
                self._end()

    def _take_marker(self, line: Line, report_class: ReportClass, match: re.Match[str]) -> None:
        event = self._joined(line, report_class, match)
        if event is None:
            self._start(report_class, line, match)
        else:
            event.join(line, report_class)
            self._open = event

    def _joined(self, line: Line, report_class: ReportClass, match: re.Match[str]) -> Event | None:
        """The report that a marker belongs to, where it is not one of its own."""
        if report_class is PANIC:
            return self._cause_of_panic(line, match)
        event = self._open
        if event is None:
            return None
        near = line.number - event.marker_line <= report_class.joins_within
        lesser = RANK[report_class.severity] < RANK[event.severity]
        return event if near or lesser or event.severity == "fatal" else None

    def _cause_of_panic(self, line: Line, match: re.Match[str]) -> Event | None:
        """The report that made the kernel panic: a fatal one, or one shortly before."""
        if not self._events:
            return None
        last = self._events[-1]
        near = line.number - last.last_line <= _PANIC_LINES
        follows = CONSEQUENCE.match(match["what"]) is not None
        if last is self._open or (follows and (near or last.severity == "fatal")):
            return last
        return None

    def _start(self, report_class: ReportClass, line: Line, match: re.Match[str] | None) -> None:
        self._end()
        near = line.number - self._cut_here < _CUT_LINES
        first_line = self._cut_here if near else line.number
        event = Event(report_class, match, line, first_line)
        self._cut_here = -_CUT_LINES
        if len(self._events) < _REPORTS_KEPT:
            self._events.append(event)
            self._open = event
        if event.exhausted:
            self._end()

    def _end(self) -> None:
        if self._open is not None:
            self._open.settle()
        self._open = None

    def _note_cut_here(self, line: Line) -> None:
        if _CUT_HERE not in line.text:
            return
        self._cut_here = line.number
        if self._open is not None and self._open.severity != "fatal":
            self._end()

    def _is_reboot(self, line: Line) -> bool:
        """Whether this is a kernel's first line again, printed the way the first one was."""
        if REBOOT.marker.match(line.text) is None:
            return False
        if self._banner_timed is None:
            self._banner_timed = line.timed
            return False
        return self._banner_timed == line.timed
