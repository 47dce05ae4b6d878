"""Reports of a console or a mail, each with the machine that they tell of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.observe.console import ConsoleReader
from harness.records import KernelReport
from harness.triage.mail import console_of_mail, is_mail
from harness.triage.wrapped import unwrap

# arch/*/kernel: how each prints its registers.
_ARCHES = (
    ("ppc64", re.compile(r"\bNIP:? |^\[c0000[0-9a-f]{11}\] |\bMMU=(?:Hash|Radix)", re.M)),
    ("s390x", re.compile(r"Krnl (?:PSW|GPRS|Code)|Failing address: [0-9a-f]+ TEID")),
    ("arm64", re.compile(r"\bpstate: |\bESR = 0x|^pc : |^Call trace:", re.M)),
    ("x86_64", re.compile(r"\bRIP: 00|\bRSP: 00|\bCR2: |\bRAX: ")),
)
# What each says while it boots, for a report that shows no registers.
_BOOTS = (
    ("ppc64", re.compile(r"\b(?:hash|radix)-mmu: |\blpar: Using ")),
    ("s390x", re.compile(r"\bsetup: Linux is running |\bsclp_\w+: ")),
    ("arm64", re.compile(r"\bBooting Linux on physical CPU 0x\w+ \[0x")),
    ("x86_64", re.compile(r"\bBIOS-e820: |\bx86/fpu: ")),
)
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


def find_reports(data: bytes) -> tuple[Finding, ...]:
    """Every report of a console or of a mail that quotes one, in order."""
    quoted = is_mail(data)
    text = console_of_mail(data) if quoted else unwrap(data)
    reader = ConsoleReader(quoted=quoted)
    reader.feed(text)
    reader.close()
    whole = text.decode(errors="replace")
    return tuple(_finding(report, whole) for report in reader.reports)


def _finding(report: KernelReport, whole: str) -> Finding:
    kernel = _KERNEL.search(report.text) or _KERNEL.search(whole)
    arch = _named(_ARCHES, report.text) or _named(_BOOTS, whole)
    mmu = _MMU.search(report.text) or _MMU.search(whole)
    return Finding(
        report=report,
        arch=arch,
        mmu=next(word for word in mmu.groups() if word).lower() if mmu else None,
        page_size=_page_size(report.text, whole, arch),
        kernel=(kernel[1] or kernel[2]) if kernel else None,
    )


def _named(table: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str | None:
    return next((name for name, pattern in table if pattern.search(text)), None)


def _page_size(text: str, whole: str, arch: str | None) -> int | None:
    """As printed; else as any table that the kernel allocates while it boots tells it."""
    told = _PAGE_SIZE.search(text)
    if told:
        return int(told[1] or told[2]) << 10
    table = _TABLE.search(whole)
    if table:
        return int(table[2]) >> int(table[1])
    return 4096 if arch in ("x86_64", "s390x") else None  # they have no other
