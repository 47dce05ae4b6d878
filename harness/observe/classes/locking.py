"""kernel/locking/lockdep.c, spinlock_debug.c, kernel/rcu/update.c, kernel/sched/core.c."""

from __future__ import annotations

from harness.observe.classes.rows import FUNCTION, error
from harness.observe.locate import (
    at_lock,
    in_stack,
    in_trace,
    named_then_trace,
    trace_then_lock,
    where_unsafe,
)

_SOCK = r"lock_sock\w*|release_sock"
_WORK = r"process_one_work|flush_workqueue|drain_workqueue|destroy_workqueue"
_DEADLOCK = "possible deadlock"
_LEVEL = r"(?:WARNING|INFO|BUG): "

LOCKING = (
    error(
        "lockdep",
        _DEADLOCK,
        _LEVEL + r"possible circular locking dependency detected",
        where=at_lock,
        skip=_WORK,
    ),
    error(
        "lockdep",
        _DEADLOCK,
        _LEVEL + r"possible (?:irq lock inversion|recursive locking)",
        where=at_lock,
    ),
    error("lockdep", _DEADLOCK, r"INFO: \S+-safe -> \S+-unsafe lock order detected", where=at_lock),
    error("lockdep", _DEADLOCK, r"\S+-safe -> \S+-unsafe lock order detected", where=where_unsafe),
    error(
        "lockdep",
        "inconsistent lock state",
        _LEVEL + r"inconsistent lock state",
        where=trace_then_lock,
    ),
    error(
        "lockdep",
        "WARNING: suspicious RCU usage",
        r"(?:WARNING|INFO): suspicious (?:RCU|rcu_\w+\(\)) usage",
        where=in_trace,
        skip=r"\w*(?:rcu|kmem|slab)\w*",
    ),
    error(
        "lockdep",
        "WARNING: bad unlock balance",
        _LEVEL + r"bad unlock balance detected",
        where=in_stack,
    ),
    error(
        "lockdep",
        "WARNING: nested lock was not taken",
        _LEVEL + r"Nested lock was not taken",
        where=at_lock,
    ),
    error("lockdep", "WARNING: held lock freed", _LEVEL + r"held lock freed", where=at_lock),
    error(
        "lockdep",
        "WARNING: lock held when returning to user space",
        _LEVEL + r"lock held when returning to user space",
        where=at_lock,
    ),
    error(
        "lockdep",
        "WARNING: still has locks held",
        _LEVEL + r".*still has locks held",
        where=at_lock,
    ),
    error(
        "lockdep",
        "INFO: trying to register non-static key",
        r"INFO: trying to register non-static key",
        where=in_trace,
        skip=r"\w*(?:stack|lock|IRQ)\w*",
    ),
    error(
        "lockdep", "WARNING: locking bug", r"BUG: Invalid wait context", where=in_trace, skip=_SOCK
    ),
    error(
        "lockdep",
        "WARNING: locking bug",
        r"WARNING: .*kernel/locking/lockdep\.c:\d+",
        skip=_SOCK,
        severity="warning",
    ),
    error("lockdep", "BUG: {what}", r"BUG: (?P<what>MAX_\w+ too low)", where=in_trace),
    error(
        "lockdep",
        "lockdep: {what}",
        r"WARNING: (?P<what>chain_key collision|bad contention detected)",
        where=in_trace,
    ),
    error(
        "spinlock",
        "BUG: {what}",
        r"BUG: (?P<what>(?:spin|rw)lock (?:lockup suspected|lockup|already unlocked|recursion"
        r"|cpu recursion|bad magic|wrong owner|wrong CPU|trylock failure on UP))",
        where=in_trace,
        skip=r"\w*(?:spin_|_lock|_unlock)\w*",
    ),
    error(
        "atomic-sleep",
        "BUG: sleeping function called from invalid context",
        r"BUG: sleeping function called from inv",
        where=in_trace,
    ),
    error(
        "atomic-sleep",
        "BUG: assuming {what} context",
        r"BUG: assuming (?P<what>atomic|non migratable) context at ",
        where=in_trace,
    ),
    error(
        "atomic-sleep",
        "BUG: scheduling {what}",
        r"BUG: scheduling (?P<what>while atomic|in a non-blocking section): ",
        where=in_trace,
        skip=r"\w*schedule\w*",
    ),
    error(
        "preemption",
        "BUG: using {what}() in preemptible code",
        r"BUG: using (?P<what>\w+)\(\) in preemptible",
        where=in_trace,
        skip=r"\w*(?:preempt|debug_|processor_id|this_cpu)\w*",
    ),
    error(
        "workqueue-leak",
        "BUG: workqueue leaked lock or atomic",
        r"BUG: workqueue leaked (?:lock or )?atomic|BUG: workqueue leaked",
        where=named_then_trace,
        detail=rf"(?:last function: |\bworkfn=){FUNCTION}",  # 6.1, 7.3
    ),
)
