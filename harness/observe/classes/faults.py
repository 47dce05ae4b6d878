"""Paging faults of every architecture, kernel BUG and WARNING."""

from __future__ import annotations

import re

from harness.observe.classes.rows import FUNCTION, error, fatal
from harness.observe.dispatch import stalled_function
from harness.observe.locate import named_then_trace
from harness.observe.report_class import ReportClass

_NULL = "BUG: unable to handle kernel NULL pointer dereference"
_PAGING = "BUG: unable to handle kernel paging request"

FAULTS = (
    # arch/x86/mm/fault.c
    fatal("null-dereference", _NULL, r"BUG: (?:unable to handle )?kernel NULL pointer dereference"),
    error(
        "stack-overflow",
        "BUG: stack guard page was hit",
        r"BUG: .*stack guard page was hit at",
        choose=stalled_function,
        severity="fatal",
    ),
    fatal("paging-fault", _PAGING, r"BUG: unable to handle (?:page fault|kernel) "),
    # arch/powerpc/mm/fault.c: what bad_kernel_fault() says before it of KUAP, where the CPU has
    # that, is said no more than ten times in five seconds
    fatal(
        "null-dereference",
        _NULL + " on {what}",
        r"BUG: Kernel NULL pointer dereference on (?P<what>\w+) at 0x",
        explains="paging-fault",
    ),
    fatal("null-dereference", _NULL, r"Kernel NULL pointer dereference at 0x"),
    fatal(
        "paging-fault",
        "kernel {what}",
        r"BUG: Unable to handle kernel (?P<what>data access on \w+|instruction fetch"
        r"|unaligned access|data access)",
    ),
    fatal("paging-fault", "unknown paging fault", r"BUG: Unable to handle unknown paging fault"),
    fatal(
        "paging-fault",
        "kernel attempt to {what}",
        r"[Kk]ernel (?:attempted|tried) to (?P<what>(?:\w+ ){1,4}page) \([0-9a-f]+\)",
    ),
    fatal("paging-fault", _PAGING, r"Unable to handle kernel paging request for "),
    # arch/arm, arm64, riscv, mips, loongarch mm/fault.c; s390 mm/fault.c
    fatal("null-dereference", _NULL, r"Unable to handle kernel NULL pointer dereference"),
    fatal(
        "paging-fault",
        "BUG: unable to handle kernel {what}",
        r"Unable to handle kernel (?P<what>[a-z][\w -]*?) at (?:virtual )?address",
    ),
    fatal(
        "paging-fault",
        "BUG: unable to handle kernel {what}",
        r"Unable to handle kernel (?P<what>pointer dereference|paging request)"
        r" (?:at|in) virtual (?:kernel|user) address",
    ),
    # kernel/cfi.c; with cfi=warn a WARNING without a line follows, else a BUG's trap
    error(
        "cfi",
        "CFI failure",
        rf"CFI failure at {FUNCTION}",
        where=named_then_trace,
        severity="fatal",
    ),
    # include/asm-generic/bug.h, lib/bug.c
    error("bug", "kernel BUG", r"[Kk]ernel BUG at ", skip=r"skb_\w+", severity="fatal"),
    # mm/gup_test.c, mm/sparse-vmemmap.c users: what they say is better than "WARNING"
    ReportClass(
        "gup-pin",
        "page {what}",
        "error",
        re.compile(r"pages\[\d+\] is (?P<what>NOT dma-pinned|NOT pinnable but pinned)"),
        joins_within=3,
        explains="warning",
    ),
    ReportClass(
        "vmemmap-leak",
        "failed to free all reserved pages",
        "error",
        re.compile(r"failed to free all reserved pages"),
        joins_within=3,
        explains="warning",
    ),
    # kernel/panic.c: until 6.18 "CPU: 1 PID: 2 at file:line function", then "file:line at function"
    ReportClass(
        "warning",
        "WARNING",
        "warning",
        re.compile(
            r"WARNING: (?:\[.*?\] )?(?:CPU: \d+ PID: \d+ )?(?:\S+:\d+ )?at "
            rf"(?:\S+:\d+ )?{FUNCTION}(?:\(\)|,| |$)"
        ),
        joins_within=3,
    ),
    ReportClass(
        "warning",
        "WARNING",
        "warning",
        re.compile(r"WARNING: (?:CPU: \d+ PID: \d+ |\S+:\d+ at |at \S+:\d+)"),
        joins_within=3,
    ),
)
