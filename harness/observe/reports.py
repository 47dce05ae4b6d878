"""The table of everything a kernel, or the firmware before it, complains with.

A row is found by its marker in one line without its printk prefix. Sources are the
kernel's own format strings, 6.1 to 7.2; arch means the die() of that architecture, whose
line ends in ``[#1]`` on all of them.
"""

from __future__ import annotations

import re

from harness.observe.report_class import ReportClass, Severity

# A function as "%pS" and "%ps" print it, behind "in" or "at".
_IN = r"(?P<function>[A-Za-z_$][\w$.]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?"
_OOM_END = re.compile(r"Out of memory|Memory cgroup out of memory")


def _fatal(kind: str, title: str, marker: str, joins_within: int = 3) -> ReportClass:
    return ReportClass(kind, title, "fatal", re.compile(marker), joins_within=joins_within)


def _error(kind: str, title: str, marker: str, patience: int = 4) -> ReportClass:
    return ReportClass(kind, title, "error", re.compile(marker), patience=patience)


def _lone(kind: str, title: str, severity: Severity, marker: str) -> ReportClass:
    return ReportClass(kind, title, severity, re.compile(marker), patience=0, located=False)


# kernel/panic.c; what a panic says, and what went wrong, may be different reports.
PANIC = ReportClass(
    "panic",
    "Kernel panic - not syncing: {what}",
    "fatal",
    re.compile(r"Kernel panic - not syncing: ?(?P<what>.*)"),
    located=False,
)
# Panics that only follow: the report before them tells more.
CONSEQUENCE = re.compile(
    r"Fatal exception|panic_on_warn|hung_task|softlockup|Hard LOCKUP|RCU Stall|Aiee, killing"
    r"|Attempted to kill|System is deadlocked|Out of memory|(?:kernel|KASAN|UBSAN|KFENCE): panic"
    r"|Unrecovered|panic on sysctl"
)
REBOOT = ReportClass(
    "reboot",
    "unexpected reboot",
    "fatal",
    re.compile(r"Linux version \d+\.\d+"),
    patience=0,
    located=False,
)

CLASSES: tuple[ReportClass, ...] = (
    PANIC,
    # mm/kasan, mm/kfence, mm/kmsan, kernel/kcsan report.c: before the other "BUG:" lines.
    _error("kasan", "KASAN: {what}", rf"BUG: KASAN: (?P<what>[\w -]+?) in {_IN}", 30),
    _error("kasan", "KASAN: {what}", r"BUG: KASAN: (?P<what>[\w -]+)", 30),
    _error("kfence", "KFENCE: {what}", rf"BUG: KFENCE: (?P<what>[\w -]+?) in {_IN}", 30),
    _error("kfence", "KFENCE: {what}", r"BUG: KFENCE: (?P<what>[\w -]+)", 30),
    _error("kmsan", "KMSAN: {what}", rf"BUG: KMSAN: (?P<what>[\w -]+?) in {_IN}", 30),
    _error("kcsan", "KCSAN: {what}", rf"BUG: KCSAN: (?P<what>[\w -]+?) in {_IN}", 30),
    _error("ubsan", "UBSAN: {what}", r"UBSAN: (?P<what>[a-z][\w -]+?) in \S+:\d+", 30),
    # Paging faults: x86 mm/fault.c, then powerpc, arm64, s390.
    _fatal("null-dereference", "kernel NULL dereference", r"BUG: kernel NULL pointer dereference"),
    _fatal("paging-fault", "kernel page fault", r"BUG: unable to handle (?:page fault|kernel) "),
    _fatal(
        "null-dereference",
        "kernel NULL dereference on {what}",
        r"BUG: Kernel NULL pointer dereference on (?P<what>\w+) at 0x",
    ),
    _fatal("null-dereference", "kernel NULL dereference", r"Kernel NULL pointer dereference at 0x"),
    _fatal(
        "paging-fault",
        "kernel {what}",
        r"BUG: Unable to handle kernel (?P<what>data access on \w+|instruction fetch"
        r"|unaligned access|data access)",
    ),
    _fatal("paging-fault", "unknown paging fault", r"BUG: Unable to handle unknown paging fault"),
    _fatal(
        "paging-fault",
        "kernel attempt to {what}",
        r"[Kk]ernel (?:attempted|tried) to (?P<what>(?:\w+ ){1,4}page) \([0-9a-f]+\)",
    ),
    _fatal(
        "null-dereference",
        "kernel NULL dereference",
        r"Unable to handle kernel NULL pointer dereference at virtual address",
    ),
    _fatal(
        "paging-fault",
        "kernel {what}",
        r"Unable to handle kernel (?P<what>[a-z][\w -]*?) at virtual address",
    ),
    _fatal(
        "paging-fault",
        "kernel {what}",
        r"Unable to handle kernel (?P<what>pointer dereference|paging request)"
        r" (?:at|in) virtual (?:kernel|user) address",
    ),
    # include/asm-generic/bug.h, lib/bug.c, kernel/panic.c.
    _fatal("bug", "kernel BUG", r"kernel BUG at (?P<where>\S+?)!?$"),
    _fatal("bug", "kernel BUG", r"Kernel BUG at "),
    ReportClass(
        "gup-pin",
        "page {what}",
        "error",
        re.compile(r"pages\[\d+\] is (?P<what>NOT dma-pinned|NOT pinnable but pinned)"),
        joins_within=3,
    ),
    ReportClass(
        "vmemmap-leak",
        "failed to free all reserved pages",
        "error",
        re.compile(r"failed to free all reserved pages"),
        joins_within=3,
    ),
    ReportClass(
        "warning",
        "WARNING",
        "warning",
        re.compile(rf"WARNING: (?:CPU: \d+ PID: \d+ )?(?:\S+:\d+ )?at (?:\S+:\d+ )?{_IN}"),
        joins_within=3,
    ),
    ReportClass(
        "warning", "WARNING", "warning", re.compile(r"WARNING: CPU: \d+ PID: \d+ "), joins_within=3
    ),
    # kernel/locking/lockdep.c, kernel/rcu/update.c.
    _error(
        "lockdep",
        "lockdep: {what}",
        r"(?:WARNING|INFO): (?P<what>(?:possible|inconsistent|suspicious|bad unlock|nested lock"
        r"|lock held|held lock|trying to register)[\w <>,-]*)",
        30,
    ),
    _error("lockdep", "lockdep: {what}", r"BUG: (?P<what>held lock freed|Invalid wait context)"),
    _error("lockdep", "lockdep: {what}", r"BUG: (?P<what>MAX_\w+ too low)"),
    # kernel/rcu/tree_stall.h, tree_exp.h; kernel/watchdog.c; kernel/hung_task.c.
    ReportClass(
        "rcu-stall",
        "RCU stall",
        "error",
        re.compile(r"INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls? on"),
        patience=12,
    ),
    _error("soft-lockup", "soft lockup", r"BUG: soft lockup - CPU#\d+"),
    _error(
        "hard-lockup",
        "hard lockup",
        r"Watchdog detected hard LOCKUP|self-detected hard LOCKUP|detected hard LOCKUP on other",
        30,
    ),
    _error("workqueue-lockup", "workqueue lockup", r"BUG: workqueue lockup - pool"),
    _error(
        "hung-task",
        "hung task",
        r"INFO: task \S+:\d+ (?:<\w+> )?blocked(?: in I/O wait)? for more than \d+ seconds",
        8,
    ),
    # mm/page_alloc.c, mm/memory.c, mm/filemap.c, kernel/fork.c.
    _error("bad-page", "bad page {what}", r"BUG: Bad page (?P<what>state|map|cache) in process", 6),
    _lone(
        "bad-page", "bad page {what}", "error", r"BUG: Bad page (?P<what>state|map): \d+ messages"
    ),
    _lone(
        "page-table-leak",
        "non-zero pgtables_bytes on freeing mm",
        "error",
        r"BUG: non-zero pgtables_bytes on freeing mm",
    ),
    _lone(
        "rss-counter",
        "bad rss-counter state {what}",
        "error",
        r"BUG: Bad rss-counter state mm:\S+ (?:type:|idx:)(?P<what>\w+)",
    ),
    # mm/slub.c: cache names are kept, counts are not.
    _error(
        "slab",
        "slab: {what} ({cache})",
        r"BUG (?P<cache>[\w:.-]+) \((?:Not tainted|Tainted)[^)]*\): (?P<what>[A-Za-z][\w' /-]*)",
        8,
    ),
    _error("slab", "slab: {what}", r"(?P<what>Slab cache still has objects|Wrong slab cache)"),
    _error("atomic-sleep", "sleep in atomic context", r"BUG: sleeping function called from inv"),
    _error("atomic-sleep", "scheduling while atomic", r"BUG: scheduling while atomic: "),
    ReportClass(
        "oom",
        "out of memory: {what} invoked the OOM killer",
        "error",
        re.compile(r"(?P<what>\S{1,40}) invoked oom-killer"),
        patience=60,
        located=False,
        end=_OOM_END,
    ),
    _lone("oom", "out of memory: process killed", "error", r"ut of memory: Killed process \d+"),
    # drivers/base/dd.c; the second form is 6.10's.
    _lone(
        "probe-failure",
        "probe of {what} failed with ENOMEM",
        "error",
        r"probe of (?P<what>\S+) failed with error -12$",
    ),
    _lone(
        "probe-failure",
        "probe with driver {what} failed with ENOMEM",
        "error",
        r"probe with driver (?P<what>\S+) failed with error -12$",
    ),
    _lone("filesystem", "ext4 error", "error", r"EXT4-fs error \(device "),
    _lone(
        "filesystem",
        "xfs {what}",
        "error",
        r"XFS \(\S+\): (?P<what>Internal error|Metadata corruption|Corruption of|Assertion failed)",
    ),
    # Firmware: SLOF, EDK2 (arm64, x86), the s390 boot code.
    _fatal("firmware", "firmware: {what}", r"\( [0-9a-f]{3} \) (?P<what>\w+(?: \w+)* Exception)"),
    _fatal("firmware", "firmware: {what}", r"(?P<what>Synchronous Exception|SError Exception) at "),
    _fatal("firmware", "firmware: {what}", r"(?P<what>X64 Exception Type - [0-9A-F]{2})"),
    _fatal("disabled-wait", "s390 disabled wait", r"[Dd]isabled wait"),
    _fatal("oops", "boot code fault", r"Kernel fault: interruption code [0-9a-f]{4}"),
    # die() of each arch, where nothing more telling came before it.
    _fatal(
        "general-protection",
        "general protection fault",
        r"general protection fault.*\[#\d+\]",
        60,
    ),
    _fatal("divide-error", "divide error", r"divide error: .*\[#\d+\]", 60),
    _fatal("illegal-instruction", "illegal instruction", r"invalid opcode: .*\[#\d+\]", 60),
    _fatal(
        "illegal-instruction",
        "illegal instruction",
        r"Exception in kernel mode, sig: 4\b|illegal operation: 0001 |Undefined instruction: ",
        60,
    ),
    _fatal(
        "oops",
        "oops: {what}",
        r"(?P<what>[A-Za-z][\w /-]{0,40})(?:, sig: \d+|: ?[0-9a-f]{4,16}(?: ilc:\d)?) \[#\d+\]",
        60,
    ),
    _fatal("oops", "{what}", r"(?P<what>PANIC: double fault|Insufficient stack space to handle)"),
    _fatal("oops", "{what}", r"(?P<what>SError Interrupt) on CPU\d+"),
    _error("bug", "BUG: {what}", r"(?:^|: )BUG: (?P<what>[A-Za-z][A-Za-z _-]*)"),
)

# What any marker contains; most lines hold none of it and are not looked at again.
_ANY = re.compile(
    r"BUG|WARNING|INFO: |panic|nable to handle|ernel (?:attempted|tried|NULL|BUG|fault)|UBSAN"
    r"|pages\[|reserved pages|\[#\d|hard LOCKUP|oom-killer|ut of memory|with error -12|lab cache"
    r"|-fs error|XFS \(|Exception|PANIC|Insufficient|SError|isabled wait"
)


def find_marker(line: str) -> tuple[ReportClass, re.Match[str]] | None:
    """The first row that a line matches, if any."""
    if _ANY.search(line) is None:
        return None
    for report_class in CLASSES:
        match = report_class.marker.search(line)
        if match is not None:
            return report_class, match
    return None
