"""What an RCU stall says of the stalled CPUs' timers (kernel/rcu/tree_stall.h)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.records import KernelReport

# print_cpu_stall_info; the grace period's thread sleeps by a timer of such a CPU.
_TICKS = re.compile(r"\((?P<ticks>\d+) ticks this GP\) ")
_NO_TIMER = "timer wakeup didn't happen"
_IDLE = frozenset({"do_idle", "default_idle", "cpu_startup_entry", "arch_cpu_idle"})


def has_lost_timer(reports: Iterable[KernelReport]) -> bool:
    """Whether all that a console reports is CPUs that idle, and get no tick any more.

    Nothing keeps them from running what waits for them but that no interrupt wakes them.
    """
    found = list(reports)
    return bool(found) and all(_is_of_idle_cpus(report) for report in found)


def _is_of_idle_cpus(report: KernelReport) -> bool:
    ticks = [int(found["ticks"]) for found in _TICKS.finditer(report.text)]
    idle = report.kind == "rcu-stall" and report.function in _IDLE
    return idle and bool(ticks) and not any(ticks) and _NO_TIMER in report.text
