"""One report while it is being read: its lines, its functions, and where it ends."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from dataclasses import replace
from itertools import dropwhile

from harness.observe.classes.panics import PANIC
from harness.observe.helpers import is_helper
from harness.observe.lines import Line
from harness.observe.report_class import RANK, ReportClass, Severity
from harness.observe.stack import Stack
from harness.records import KernelReport

_HEAD_CHARACTERS = 24_000
_TAIL_LINES = 40
_SHORT_CHARACTERS = 1_200  # of a report among very many
_LINES = 3_000  # nothing a kernel says about one failure is longer
_SILENT_LINES = 400  # others spoke for so long that it has ended
_STACK_PATIENCE = 4  # times as patient with a report whose stack has not come yet
_CALLERS = 3  # frames that tell one failure from another, the function at fault included

_ANY_END = re.compile(r"---\[ end (?:trace|Kernel panic)")
# Other CPUs now show where they are, each in an interrupt of its own.
_ALL_CPUS = re.compile(r"Sending NMI from CPU")
# dump_stack_print_info() in lib/dump_stack.c, and the last lines of panic().
_MACHINE = re.compile(
    r"\bCPU: \d+ .{0,20}PID: \d+ Comm: |---\[ end Kernel panic|^Rebooting in \d+ seconds"
)
# Lines that belong to a report of any kind.
_BODY = re.compile(
    r"""(?x) ^\s* (?: \(?\[<?[0-9a-f]{8,}>?\] | (?:\?\ )?[\w.$]+\+0x[0-9a-f]+/0x
      | </?(?:TASK|IRQ|NMI|SOFTIRQ|\#\w+)> | [Cc]all\ [Tt]race | Modules\ linked | CPU:\ \d
      | Hardware\ name | Workqueue: | Code: | Krnl\ (?:PSW|GPRS|Code) | R:\d\ | Last\ Breaking
      | (?:RIP|RSP|RAX|RDX|RBP|R\d\d|CR2|CS|FS|DR\d|PKRU|EFLAGS):\ | (?:x\d+|sp|pc|lr|pstate)\ *:
      | GPR\d | NIP | LR\ | REGS | MSR | CFAR | DAR | IRQMASK | --- | Instruction\ dump | Faulting
      | (?:page|head|folio|memcg|flags|raw|aops|addr|file|anon|pgd|mm|vma)\b.*[: ] | page_type
      | (?:Object|Redzone|Padding|Bytes\ b4|Slab|FIX|Allocated|Freed)\b | task: | Tainted:
      | \d+\ (?:locks?\ held|\S+/) | stack\ backtrace | rcu: | \(t= | \t | \.\.\. | Kernel\ Offset
      | echo\ 0\ > | Rebooting | [0-9a-f]{8,}(?::\ |\ ) | Sending\ NMI | NMI\ backtrace
      | Kernel\ panic | Mem-Info | Node\ \d | active_anon | \[\ *\d+\]\ +\d+ | which\ lock
      | -> | other\ info | backing: | AS: | Fault\ in | Failing\ address | Oops
      | Internal\ error | Mem\ abort | ={20} | r\d+\s*: | \[?<?[0-9a-f]{4,}>?\]?:\ | Flags:\ n
      | Control:\ | Register\ r\d | Process\ .*limit | Stack:\ | epc\ : | \ [agst]\d+\s*: | status:
      | [PL][CR]\ is\ at | backtrace | unreferenced | comm\ " | hex\ dump | \(?[\w.]+\)?\ from\ \S
      | [0-9a-f]{1,4}:\*?\t | [0-9a-f]{4}\ \ [0-9a-f*]{8}\b | Pid:\ \d
      | (?:\?\ )?[\w.$]+\ \([\w./+-]{1,200}:\d
    )"""
)


class Event:
    """A report that lines are still added to; ``marker_line`` is that of its last marker.

    ``ended`` tells that none is expected any more, though a panic may still come to it.
    ``said`` is what tells it from another report, once that was asked for.
    """

    def __init__(
        self,
        report_class: ReportClass,
        match: re.Match[str] | None,
        line: Line,
        first_line: int,
    ) -> None:
        self.severity: Severity = report_class.severity
        self.first_line = first_line
        self.last_line = self.marker_line = line.number
        self._class = report_class
        self.caller = line.caller
        self._timed = line.timed
        self.doubtful = False
        self.ended = not report_class.patience
        self.said: tuple[str, ...] | None = None
        self._short: KernelReport | None = None
        self._groups = match.groupdict() if match else {}
        self._stack = Stack()
        self._all_cpus = False
        self._machine = False
        self._idle = 0
        self._patience = report_class.patience
        self._head: list[str] = [line.text]
        self._head_characters = len(line.text)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._left_out = 0
        self._pending: list[str] = []

    def exhausted(self, line: Line) -> bool:
        """Whether so much was said that is nothing of it that the report must have ended."""
        return (
            (self._idle >= self._patience and self._needs_no_more())
            or self.last_line - self.first_line > _LINES
            or line.number - self.last_line > _SILENT_LINES
            or len(self._pending) > _SILENT_LINES  # pieces of one line, which has no end
        )

    def _needs_no_more(self) -> bool:
        """Whether its stack has come, or others spoke too long for it to come."""
        return self._stack.shows_a_place() or self._idle >= self._patience * _STACK_PATIENCE

    @property
    def kind(self) -> str:
        """Its class's."""
        return self._class.kind

    @property
    def replaces(self) -> bool:
        """Its class's."""
        return self._class.replaces

    @property
    def proved(self) -> bool:
        """Whether more than its own words shows that it happened: a stack, registers, a CPU."""
        return self._machine or self._stack.shows_a_place()

    def borrow_stack(self, other: Event) -> None:
        """Take another's stack for its own, where it has come to none."""
        if not self._stack.shows_a_place() and self._patience:
            self._stack = other._stack

    def hears(self, line: Line) -> bool:
        """Whether another speaker's line belongs to it: a CPU's that it made speak."""
        return self._all_cpus and (line.caller or "").startswith("C")

    def is_end(self, line: Line) -> bool:
        """Whether a line is the last of this report; another task's end is not."""
        if self._foreign(line):
            return False
        return bool(self._class.end.search(line.text) or _ANY_END.search(line.text))

    def add(self, line: Line) -> None:
        """Take in a line that follows, which may turn out not to belong."""
        self._pending.append(line.text)
        if not self._foreign(line):
            self._read(line.text)
        if _BODY.match(line.text) or self.is_end(line):
            self._keep(line)
        elif line.timed or not self._timed:  # else a program said it
            self._idle += 1

    def join(self, line: Line, report_class: ReportClass, match: re.Match[str]) -> None:
        """Take in the marker of a report that this one led to, or that says more of it."""
        if report_class.explains == self._class.kind:
            self._class = report_class
            self._groups |= match.groupdict()
        if RANK[report_class.severity] > RANK[self.severity]:
            self.severity = report_class.severity
        if report_class is not PANIC:
            self.marker_line = line.number
        self.ended = False
        self._patience = max(self._patience, report_class.patience)
        self._pending.append(line.text)
        self._read(line.text)
        self._keep(line)

    def settle(self) -> None:
        """Forget what followed the last line that belongs to the report."""
        self._pending.clear()
        self._idle = 0
        self.ended = True

    def all_it_says(self) -> tuple[str, ...]:
        """What is looked at to ignore a report: those that share it are one."""
        told = self.report()
        return told.kind, told.title, told.function or "", told.severity, told.fingerprint

    def shorten(self) -> None:
        """Keep no more of it than the beginning of its text, and who is at fault."""
        found = self.report()
        self._machine = self.proved
        if len(found.text) > _SHORT_CHARACTERS:
            text = found.text[:_SHORT_CHARACTERS].rpartition("\n")[0]
            found = replace(found, text=f"{text}\n[the rest left out]\n")
        self._short = found
        self._head, self._head_characters, self._left_out = [], 0, 0
        self._tail.clear()
        self._stack = Stack()

    def report(self) -> KernelReport:
        """The report as far as it has come."""
        if self._short is not None:
            more = self._text() if self._head else ""
            return replace(
                self._short,
                severity=self.severity,
                last_line=self.last_line,
                text=self._short.text + more,
            )
        function = self._class.function(self._groups, self._stack.before_panic())
        title = self._class.render(self._groups, function)
        return KernelReport(
            kind=self._class.kind,
            title=title,
            function=function,
            severity=self.severity,
            first_line=self.first_line,
            last_line=self.last_line,
            fingerprint=self._fingerprint(title, function),
            text=self._text(),
        )

    def _foreign(self, line: Line) -> bool:
        """Whether another task or CPU said it, where the kernel prints which one does."""
        if None in (line.caller, self.caller) or line.caller == self.caller:
            return False
        return not self.hears(line)

    def _keep(self, line: Line) -> None:
        self.last_line = max(self.last_line, line.number)
        self._idle = 0
        for text in self._pending:
            if self._head_characters < _HEAD_CHARACTERS:
                self._head.append(text)
                self._head_characters += len(text)
            else:
                self._left_out += len(self._tail) == _TAIL_LINES
                self._tail.append(text)
        self._pending.clear()

    def _read(self, text: str) -> None:
        self._machine = self._machine or _MACHINE.search(text) is not None
        self._all_cpus = self._all_cpus or _ALL_CPUS.search(text) is not None
        self._stack.take(text)
        if self._class.detail and (detail := self._class.detail.search(text)):
            new = {name: word for name, word in detail.groupdict().items() if word}
            self._groups = new | {name: word for name, word in self._groups.items() if word}

    def _fingerprint(self, title: str, function: str | None) -> str:
        frames = self._stack.names("frame")
        if self._class.caught_anywhere:
            frames = list(dropwhile(lambda name: name != function, frames))
        told = [name for name in frames if not is_helper(name) and name != function]
        names = [function, *told[: _CALLERS - 1]]
        if function is None or self._class.told_by_title:
            names = [re.sub(r"\d+", "N", title)]
        words = "\n".join([self._class.kind, *(name or "" for name in names)])
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    def _text(self) -> str:
        lines = list(self._head)
        if self._left_out:
            lines.append(f"[{self._left_out} lines left out]")
        return "\n".join([*lines, *self._tail]) + "\n"
