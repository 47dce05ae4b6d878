"""Reports of a console or a mail, each with the machine that they tell of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.observe.console import ConsoleReader
from harness.records import KernelReport
from harness.triage.mail import console_of_mail, is_mail

# arch/*/kernel: how each prints its registers.
_ARCHES = (
    ("ppc64", re.compile(r"\bNIP:? |^\[c0000[0-9a-f]{11}\] |\bMMU=(?:Hash|Radix)", re.M)),
    ("s390x", re.compile(r"Krnl (?:PSW|GPRS|Code)|Failing address: [0-9a-f]+ TEID")),
    ("arm64", re.compile(r"\bpstate: |\bESR = 0x|^pc : |^Call trace:", re.M)),
    ("x86_64", re.compile(r"\bRIP: 00|\bRSP: 00|\bCR2: |\bRAX: ")),
)
_MMU = re.compile(r"\bMMU=(Hash|Radix)\b")
_PAGE_SIZE = re.compile(r"\bPAGE_SIZE=(\d+)K\b|\bpgtable: (\d+)k pages", re.I)
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
    text = console_of_mail(data) if quoted else data
    reader = ConsoleReader(quoted=quoted)
    reader.feed(text)
    reader.close()
    whole = text.decode(errors="replace")
    return tuple(_finding(report, whole) for report in reader.reports)


def _finding(report: KernelReport, whole: str) -> Finding:
    arch = next((name for name, pattern in _ARCHES if pattern.search(report.text)), None)
    mmu = _MMU.search(report.text)
    kernel = _KERNEL.search(report.text) or _KERNEL.search(whole)
    return Finding(
        report=report,
        arch=arch,
        mmu=mmu[1].lower() if mmu else None,
        page_size=_page_size(report.text, arch),
        kernel=(kernel[1] or kernel[2]) if kernel else None,
    )


def _page_size(text: str, arch: str | None) -> int | None:
    """As printed; two architectures have but one."""
    told = _PAGE_SIZE.search(text)
    if told:
        return int(told[1] or told[2]) << 10
    return 4096 if arch in ("x86_64", "s390x") else None
