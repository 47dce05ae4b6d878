"""WARNINGs and BUGs of the helpers that keep others' objects: the fault is their caller's.

lib/refcount.c, debugobjects.c, kobject.c, list_debug.c, mm/usercopy.c, fs/proc/generic.c.
"""

from __future__ import annotations

from harness.observe.classes.rows import error
from harness.observe.locate import at_fault, in_trace
from harness.observe.report_class import ReportClass

_AT = r"WARNING: (?:.*[ /])?"


def _warning(title: str, file: str, skip: str) -> ReportClass:
    return error(
        "warning", title, rf"WARNING: .*\b{file}:\d+", where=at_fault, skip=skip, severity="warning"
    )


def _leak(marker: str, *, joins_within: int, replaces: bool) -> ReportClass:
    return error(
        "kernel-leak",
        "memory leak",
        marker,
        where=in_trace,
        skip=r"\w*(?:alloc|kmemleak|kmem|slab|mmap)\w*|create_object|sget_userns|\w*list_lru_init\w*"
        r"|idr_get\w*|k\w*printf\w*|pcpu_create\w*|\w*(?:str|mem)n?dup\w*",
        joins_within=joins_within,
        replaces=replaces,
    )


OBJECTS = (
    error(
        "refcount",
        "WARNING: refcount bug",
        r"WARNING: .*\blib/refcount\.c:\d+",
        skip=r"refcount_\w+|kobject_\w+",
        severity="warning",
    ),
    error(
        "debug-objects",
        "WARNING: ODEBUG bug",
        r"WARNING: .*\blib/debugobjects\.c:\d+",
        skip=r"_*debug_\w+|\w*rcu\w*|_*hrtimer_\w+|\w*timer_\w+|\w*work_\w+|\w*percpu_\w+"
        r"|\w*vunmap\w*|vfree\w*|__free_\w+|kobject_\w+",
        severity="warning",
    ),
    _warning("WARNING: bad usercopy", r"mm/usercopy\.c", r"usercopy_\w+|__check_\w+"),
    _warning("WARNING: kobject bug", r"lib/kobject\.c", r"kobject_\w+"),
    _warning("WARNING: proc registration bug", r"fs/proc/generic\.c", r"_*proc_\w+"),
    error(
        "list-corruption",
        "BUG: corrupted list",
        r"kernel BUG at lib/list_debug\.c",
        where=in_trace,
        severity="fatal",
    ),
    error(
        "usercopy",
        "BUG: bad usercopy",
        r"kernel BUG at mm/usercopy\.c",
        where=in_trace,
        skip=r"\w*usercopy\w*|__check\w*",
        severity="fatal",
    ),
    # mm/kmemleak.c: how many it found, and each of them as its file shows it
    _leak(r"kmemleak: \d+ new suspected memory leaks", joins_within=400, replaces=False),
    _leak(r"BUG: memory leak\b", joins_within=3, replaces=True),
)
