"""Reports of a console or a mail, each with the machine that they tell of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.observe.console import ConsoleReader
from harness.records import KernelReport
from harness.target import ConsoleMarks, Target, load_targets
from harness.triage.mail import console_of_mail, is_mail
from harness.triage.wrapped import unwrap

_MMU = re.compile(r"\bMMU=(Hash|Radix)\b|\blpar: Using (hash|radix) MMU|\b(hash|radix)-mmu: ", re.I)
_PAGE_SIZE = re.compile(r"\bPAGE_SIZE=(\d+)K\b|\bpgtable: (\d+)k pages", re.I)
# alloc_large_system_hash() in mm/mm_init.c
_TABLE = re.compile(r"\bhash table entries: \d+ \(order: (\d{1,2}), (\d{4,12}) bytes")
# print_tainted() and what follows it: lib/dump_stack.c, kernel/hung_task.c.
_KERNEL = re.compile(
    r"\b(?:Not tainted|Tainted: [\w =,\[\]]*?) ?\(?(\d+\.\d+[\w.+~-]*)"
    r"|\bLinux version (\d+\.\d+\S*)"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A report, and what is known of the machine; None where nothing tells.

    ``arch`` is a target's, ``mmu`` ``hash`` or ``radix``, ``page_size`` bytes.
    """

    report: KernelReport
    arch: str | None
    mmu: str | None
    page_size: int | None
    kernel: str | None


@dataclass(frozen=True, slots=True)
class Architectures:
    """What the data files of targets tell of consoles, by the name of the architecture.

    ``page_sizes`` are those that an architecture's targets have.
    """

    marks: dict[str, ConsoleMarks]
    page_sizes: dict[str, frozenset[int]]

    @classmethod
    def of(cls, targets: Iterable[Target]) -> Architectures:
        known = tuple(targets)
        return cls(
            {target.arch: target.console for target in known if target.console},
            {
                arch: frozenset(t.mmu.page_size for t in known if t.arch == arch)
                for arch in {target.arch for target in known}
            },
        )

    def of_report(self, report: str, whole: str) -> str | None:
        """Whose registers a report shows; for one that shows none, whose boot is around it."""
        marks = self.marks.items()
        named = (arch for arch, mark in marks if mark.registers.search(report))
        booted = (arch for arch, mark in marks if mark.boot.search(whole))
        return next(named, None) or next(booted, None)

    def only_page_size(self, arch: str | None) -> int | None:
        """The page size of an architecture that has no other."""
        sizes = self.page_sizes.get(arch or "", frozenset())
        return min(sizes) if len(sizes) == 1 else None


def find_reports(data: bytes, targets: Iterable[Target] | None = None) -> tuple[Finding, ...]:
    """Every report of a console or of a mail that quotes one, in order.

    ``targets`` are those that there are, unless given.
    """
    known = Architectures.of(load_targets().values() if targets is None else targets)
    quoted = is_mail(data)
    text = console_of_mail(data) if quoted else unwrap(data)
    reader = ConsoleReader(quoted=quoted)
    reader.feed(text)
    reader.close()
    whole = text.decode(errors="replace")
    return tuple(_finding(report, whole, known) for report in reader.reports)


def _finding(report: KernelReport, whole: str, known: Architectures) -> Finding:
    kernel = _KERNEL.search(report.text) or _KERNEL.search(whole)
    arch = known.of_report(report.text, whole)
    mmu = _MMU.search(report.text) or _MMU.search(whole)
    return Finding(
        report=report,
        arch=arch,
        mmu=next(word for word in mmu.groups() if word).lower() if mmu else None,
        page_size=_page_size(report.text, whole) or known.only_page_size(arch),
        kernel=(kernel[1] or kernel[2]) if kernel else None,
    )


def _page_size(text: str, whole: str) -> int | None:
    """As printed; else as any table that the kernel allocates while it boots tells it."""
    told = _PAGE_SIZE.search(text)
    if told:
        return int(told[1] or told[2]) << 10
    table = _TABLE.search(whole)
    if table:
        return int(table[2]) >> int(table[1])
    return None
