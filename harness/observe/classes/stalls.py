"""kernel/rcu/tree_stall.h, tree_exp.h, tasks.h; kernel/watchdog.c, hung_task.c, workqueue.c."""

from __future__ import annotations

from harness.observe.classes.rows import error
from harness.observe.dispatch import stalled_function, waiting_function
from harness.observe.locate import at_fault, in_trace, interrupted

STALLS = (
    error(
        "rcu-stall",
        "INFO: rcu detected stall",
        r"INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls? ?",
        where=interrupted,
        choose=stalled_function,
        skip=r"\w*rcu\w*|apic_timer_interrupt",
    ),
    error(
        "soft-lockup",
        "BUG: soft lockup",
        r"BUG: soft lockup - CPU#\d+",
        where=at_fault,
        choose=stalled_function,
    ),
    error(
        "hard-lockup",
        "hard lockup",
        r"Watchdog detected hard LOCKUP|self-detected hard LOCKUP|detected hard LOCKUP on other",
    ),
    # 7.3, unlike 6.1, shows the stacks of workers that run: their work is beneath the workqueue.
    error(
        "workqueue-lockup",
        "BUG: workqueue lockup",
        r"BUG: workqueue lockup - pool",
        choose=stalled_function,
        patience=4,
    ),
    error(
        "hung-task",
        "INFO: task hung",
        # A task may have a newline in its name: the line's start is no part of it.
        r":\d+ (?:<\w+> )?blocked(?: in I/O wait)? for more than \d+ seconds",
        where=in_trace,
        choose=waiting_function,
    ),
    error(
        "hung-task",
        "INFO: task can't die",
        r"INFO: task .{1,64}:\d+ can't die for more than \d+ seconds",
        where=in_trace,
        skip=r"\w*schedule\w*",
    ),
)
