"""die() of each architecture, where nothing more telling came before it.

Its line ends in ``[#1]`` on all of them.
"""

from __future__ import annotations

from harness.observe.classes.rows import FUNCTION, error, fatal
from harness.observe.dispatch import stalled_function
from harness.observe.locate import in_stack, named_then_trace
from harness.observe.report_class import ReportClass


def _trap(kind: str, title: str, marker: str) -> ReportClass:
    return fatal(kind, title, marker, joins_within=60)


TRAPS = (
    # s390: kernel_stack_overflow() in arch/s390/kernel/traps.c, kernel_stack_invalid() since;
    # powerpc: stack_overflow_exception()
    error(
        "stack-overflow",
        "kernel stack overflow",
        r"^Kernel stack (?:overflow\.|pointer invalid)$|Kernel stack overflow, sig: \d+ \[#\d+\]",
        choose=stalled_function,
        severity="fatal",
    ),
    _trap("general-protection", "general protection fault", r"general protection fault.*\[#\d+\]"),
    _trap("general-protection", "stack segment fault", r"stack segment: .*\[#\d+\]"),
    _trap("divide-error", "divide error", r"divide[ _]error: .*\[#\d+\]"),
    _trap("trap", "int3", r"int3: .*\[#\d+\]"),
    _trap("illegal-instruction", "invalid opcode", r"invalid opcode: .*\[#\d+\]"),
    _trap(
        "illegal-instruction",
        "illegal instruction",
        r"Exception in kernel mode, sig: 4\b|illegal operation: 0001 |Undefined instruction: ",
    ),
    _trap("oops", "Unhandled fault", r"Unhandled fault: .*\b0x[0-9a-f]+"),
    _trap(
        "oops", "Internal error: {what}", r"Internal error: (?P<what>[\w ,-]+?): [0-9a-f]+ \[#\d+\]"
    ),
    _trap(
        "oops",
        "oops: {what}",
        r"(?P<what>[A-Za-z][\w /-]{0,40})(?:, sig: \d+|: ?[0-9a-f]{4,16}(?: ilc:\d)?) \[#\d+\]",
    ),
    # riscv, mips, loongarch: the words alone
    _trap("oops", "oops: {what}", r"^(?:Oops - )?(?P<what>[A-Za-z][\w /()-]{2,60}?) ?\[#\d+\]:?$"),
    fatal("double-fault", "PANIC: double fault", r"PANIC: double fault"),
    # Before there are traps: early_fixup_exception() in arch/x86/mm/extable.c,
    # __do_early_pgm_check() in arch/s390/kernel/early.c
    fatal(
        "oops",
        "PANIC: early exception {what}",
        r"PANIC: early exception (?P<what>0x[0-9a-f]{2}|[0-9a-f]{4}) (?:IP|PSW)\b",
    ),
    error(
        "stack-overflow",
        "kernel stack overflow",
        r"Insufficient stack space to handle",
        where=in_stack,
        choose=stalled_function,
        skip=r"\w*bad_stack\w*",
        severity="fatal",
    ),
    fatal("oops", "{what}", r"(?P<what>SError Interrupt) on CPU\d+"),
    fatal(
        "machine-check",
        "machine check",
        r"mce: \[Hardware Error\]: CPU \d+: Machine Check"
        r"|Machine check in kernel mode|Unrecoverable Machine check",
    ),
)
UNSORTED = (
    # include/linux/maple_tree.h
    error(
        "bug",
        "BUG in the maple tree",
        r"^BUG at (?P<function>[a-z]\w+):\d+ \(\d+\)$",
        where=named_then_trace,
        timed=True,
    ),
    error(
        "warning",
        "WARNING: kernel stack has a bad {what} value",
        r"WARNING: kernel stack (?:regs|frame pointer) .*has bad '?(?P<what>\w*)'? ?value",
        patience=0,
    ),
    # arch/x86/kernel/unwind_orc.c
    error(
        "warning",
        "WARNING: unwinder: {what}",
        r"WARNING: (?P<what>stack going in the wrong direction|can't (?:access|dereference)"
        rf" (?:iret )?registers)\S* at {FUNCTION}",
        patience=0,
        severity="warning",
    ),
    error(
        "bug",
        "BUG: {what}",
        # Whole words: what only begins with letters may be an address, as of lockdep's keys.
        r"^(?:[\w.-]{1,24}: )?BUG: (?P<what>[A-Za-z][A-Za-z _-]*(?![\w./])|[A-Za-z]+)",
        patience=4,
        timed=True,
        joins_within=1,
        explains="warning",
    ),
)
