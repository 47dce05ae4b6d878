"""A kernel's console read as it comes: every report on it, in linear time and little memory.

What counts as a report is the table in ``classes/``. A report is one event: the oops
after its "Unable to handle" line and the panic after the oops belong to it, whatever comes
between. The same text gives the same reports however it is cut into pieces.
"""

from __future__ import annotations

import re

from harness.observe.boots import POWER_CUT, BootCounter
from harness.observe.classes import find_marker
from harness.observe.classes.panics import CONSEQUENCE, PANIC, REBOOT, WATCHDOGS
from harness.observe.event import Event
from harness.observe.kept import KeptEvents
from harness.observe.lines import Line, LineCutter
from harness.observe.report_class import RANK, ReportClass
from harness.records import KernelReport

_MARKERS_KEPT = 1000  # of what may come again
_SPEAKERS = 64  # no more speak at a time
_CUT_HERE = "[ cut here ]"
_CUT_LINES = 4  # the complaint comes within so many lines of "cut here"
_PANIC_LINES = 60  # a panic this close to a report may be its consequence
_SUBSYSTEM = re.compile(r"[\w :\[\]*-]{0,24}")  # what may stand before a report's first word
_TIMED_LINES = 20  # a console with so many printk times has them on every printk line


class ConsoleReader:
    """Reports of one console, from its first byte to its last.

    Where the kernel prints who speaks (CONFIG_PRINTK_CALLER), every speaker has an open
    report of its own, and their lines do not mix. What programs print may talk of
    reports: where printk times its lines, an untimed report must bring a stack or
    registers. ``quoted`` asks that of every untimed report: the text is a mail, no console.
    """

    def __init__(self, *, quoted: bool = False) -> None:
        self._quoted = quoted
        self._timed_lines = 0
        self._boots = BootCounter()
        self._boot_line = 0
        self._cutter = LineCutter()
        self._events = KeptEvents()
        self._open: dict[str | None, Event] = {}
        self._cut_here: dict[str | None, int] = {}
        self._told: set[tuple[str, str]] = set()

    @property
    def reports(self) -> tuple[KernelReport, ...]:
        """Every report that has ended, in order; a later panic may still add to the last."""
        open_events = self._open.values()
        return tuple(event.report() for event in self._events if event not in open_events)

    @property
    def open_report(self) -> KernelReport | None:
        """The first report whose end has not come yet, as far as it goes; else None."""
        event = next(iter(self._open.values()), None)
        return None if event is None else event.report()

    @property
    def lines(self) -> int:
        """Lines so far, one that is not ended not included."""
        return self._cutter.count

    def feed(self, data: bytes) -> None:
        """Take in what the console said next, cut anywhere."""
        for line in self._cutter.feed(data):
            self._take(line)

    def close(self) -> None:
        """The console ended: so do its last line and open reports. May be called again."""
        for line in self._cutter.close():
            self._take(line)
        self._end_boot()

    def _take(self, line: Line) -> None:
        if line.text == POWER_CUT and not line.timed:
            self._begin_anew(line)
            return
        self._timed_lines += line.timed
        self._note_reboot(self._boots.take(line))
        event = self._speaking(line)
        if event is not None and event.is_end(line):
            self._was_told(line)  # some ends are markers as well
            event.add(line)
            self._end(event)
            return
        self._note_cut_here(line, event)
        found = find_marker(line.text, timed=line.timed)
        if found is not None and self._is_spoken(line, found[1]):
            if not self._was_told(line):
                self._take_marker(line, *found)
        elif event is not None and event in self._open.values():
            event.add(line)
        for other in tuple(self._open.values()):
            if other.exhausted(line):
                self._end(other)

    def _begin_anew(self, line: Line) -> None:
        """What was said before the power was cut says nothing of what comes."""
        self._end_boot()
        self._boots = BootCounter()
        self._boot_line = line.number
        self._timed_lines = 0
        self._cut_here = {}
        self._told.clear()

    def _end_boot(self) -> None:
        self._note_reboot(self._boots.close())
        for event in tuple(self._open.values()):
            self._end(event)

    def _speaking(self, line: Line) -> Event | None:
        """The open report that a line may belong to."""
        if not self._open or line.caller in self._open:
            return self._open.get(line.caller)
        latest = next(reversed(self._open.values()))
        if line.caller is None or None in self._open:
            return latest
        return next((event for event in self._open.values() if event.hears(line)), None)

    def _take_marker(self, line: Line, report_class: ReportClass, match: re.Match[str]) -> None:
        event = self._joined(line, report_class, match)
        if event is None:
            self._start(report_class, line, match)
            return
        event.join(line, report_class, match)
        if event not in self._open.values():
            self._open[line.caller] = event

    def _joined(self, line: Line, report_class: ReportClass, match: re.Match[str]) -> Event | None:
        """The report that a marker belongs to, where it is not one of its own."""
        if report_class is PANIC:
            return self._cause_of_panic(line, match)
        event = self._speaking(line)
        if event is None:
            return None
        near = line.number - event.marker_line <= report_class.joins_within
        lesser = RANK[report_class.severity] < RANK[event.severity]
        return event if near or lesser or event.severity == "fatal" else None

    def _cause_of_panic(self, line: Line, match: re.Match[str]) -> Event | None:
        """The report that made the kernel panic: a fatal one, or one shortly before."""
        speaking = self._speaking(line)
        if speaking is not None:
            return speaking
        own = [
            event
            for event in self._events
            if line.caller in (None, event.caller) and event.marker_line > self._boot_line
        ]
        if not own:
            return None
        last = own[-1]
        if match["end"]:  # what came between the two ended the panic's report
            return next((event for event in reversed(own) if event.severity == "fatal"), last)
        if last.kind in (PANIC.kind, REBOOT.kind):
            return None
        near = line.number - last.last_line <= _PANIC_LINES
        what = match["what"]
        if any(what.startswith(word) and last.kind == kind for word, kind in WATCHDOGS):
            return last
        follows = CONSEQUENCE.match(what) is not None
        return last if follows and (near or last.severity == "fatal") else None

    def _start(self, report_class: ReportClass, line: Line, match: re.Match[str] | None) -> None:
        if not report_class.patience:
            self._add_lone(Event(report_class, match, line, line.number), line, match)
            return
        if line.caller in self._open:
            self._end(self._open[line.caller])
        cut_here = self._cut_here.pop(line.caller, -_CUT_LINES)
        near = line.number - cut_here < _CUT_LINES
        event = Event(report_class, match, line, cut_here if near else line.number)
        self._lend_stack(event, line)
        event.doubtful = match is not None and self._needs_proof(line)
        if len(self._open) >= _SPEAKERS:
            self._end(next(iter(self._open.values())))
        self._events.append(event)
        self._open[line.caller] = event
        if event.exhausted(line):
            self._end(event)

    def _add_lone(self, event: Event, line: Line, match: re.Match[str] | None) -> None:
        """Note a report of one line; what it breaks into goes on."""
        doubtful = match is not None and self._needs_proof(line)
        if not doubtful:
            self._events.append(event)

    def _was_told(self, line: Line) -> bool:
        """Whether it was there before: a dump of the log, or a console that printed it anew."""
        if not line.time:
            return False
        words = (line.time, line.text)
        told = words in self._told
        if len(self._told) < _MARKERS_KEPT:
            self._told.add(words)
        return told

    def _is_spoken(self, line: Line, match: re.Match[str]) -> bool:
        """Whether a marker begins what is said, rather than being talked of."""
        before = line.text[: match.start()]
        return not self._needs_proof(line) or _SUBSYSTEM.fullmatch(before) is not None

    def _needs_proof(self, line: Line) -> bool:
        """Whether a program or a person, rather than the kernel, may have said it."""
        if self._quoted:
            return not line.time
        return not line.timed and self._timed_lines > _TIMED_LINES

    def _lend_stack(self, event: Event, line: Line) -> None:
        """A report cut off by another of the same speaker was in the same place."""
        cut_off = next((e for e in reversed(self._events.latest) if e.caller == line.caller), None)
        if cut_off is not None and line.number - cut_off.last_line <= _CUT_LINES:
            cut_off.borrow_stack(event)

    def _end(self, event: Event) -> None:
        event.settle()
        if event.doubtful and not event.proved:
            self._events.drop(lambda other: other is event)
        else:
            self._events.end(event)
        if event.replaces and event.proved:
            self._events.drop(lambda other: not other.proved and other.kind == event.kind)
        self._open = {caller: other for caller, other in self._open.items() if other is not event}

    def _note_cut_here(self, line: Line, event: Event | None) -> None:
        if _CUT_HERE not in line.text:
            return
        self._cut_here = {line.caller: line.number}
        if event is not None and event.severity != "fatal":
            self._end(event)

    def _note_reboot(self, banner: Line | None) -> None:
        if banner is not None:
            for event in tuple(self._open.values()):
                self._end(event)
            self._told.clear()
            self._start(REBOOT, banner, None)
