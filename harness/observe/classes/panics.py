"""kernel/panic.c and the first line of a kernel: what ends a machine, or began it anew."""

from __future__ import annotations

import re

from harness.observe.classes.rows import FUNCTION, error
from harness.observe.dispatch import stalled_function
from harness.observe.locate import in_trace, named_then_trace
from harness.observe.report_class import ReportClass

# What a panic says, and what went wrong, may be different reports.
PANIC = ReportClass(
    "panic",
    "kernel panic: {what}",
    "fatal",
    re.compile(r"(?P<end>\[ end )?Kernel panic - not syncing: ?(?P<what>.*?)(?: \]---)?$"),
    located=False,
)
# What a panic ends with has the same words.
_BEGINS = r"(?<!\[ end )Kernel panic - not syncing: "
PANICS = (
    error(
        "stack-corruption",
        "kernel panic: stack is corrupted",
        rf"{_BEGINS}stack-protector: Kernel stack is corrupted in: (?:{FUNCTION}\b)?",
        where=named_then_trace,
        skip="\\w*stack_chk\\w*",
        severity="fatal",
    ),
    error(
        "stack-overflow",
        "kernel panic: corrupted stack end",
        rf"{_BEGINS}corrupted stack end",
        where=in_trace,
        skip=r"\w*schedule\w*|\w*retint_kernel\w*",
        choose=stalled_function,
        severity="fatal",
    ),
    error(
        "stack-overflow",
        "kernel stack overflow",
        rf"{_BEGINS}kernel stack overflow",
        where=in_trace,
        skip=r"\w*bad_stack\w*",
        choose=stalled_function,
        severity="fatal",
    ),
)
# Panics that only follow: the report before them tells more.
CONSEQUENCE = re.compile(
    r"(?:.{1,60}: )?(?:Fatal exception|panic_on_warn|system warned too often)|panic_on_taint"
    r"|hung_task|softlockup|Hard LOCKUP|RCU Stall|Aiee, killing|Attempted to kill"
    r"|System is deadlocked|Out of memory|k[a-z]+\.(?:fault=)?panic\w* set|Unrecovered"
    r"|panic on sysctl|Oops|stack overflow|corrupted stack end"
)
# Those of the watchdogs, which show every CPU or task between their report and the panic.
WATCHDOGS = (
    ("hung_task", "hung-task"),
    ("softlockup", "soft-lockup"),
    ("Hard LOCKUP", "hard-lockup"),
    ("RCU Stall", "rcu-stall"),
    ("workqueue: ", "workqueue-lockup"),
)
REBOOT = ReportClass(
    "reboot",
    "unexpected reboot",
    "fatal",
    re.compile(r"Linux version \d+\.\d+"),
    patience=0,
    located=False,
)
