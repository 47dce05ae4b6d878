"""Faults on a mapping, and its life from mmap to its end."""

from __future__ import annotations

from collections.abc import Iterable

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.probe import (
    END,
    FORK,
    ProbeRun,
    advise,
    beside,
    map_operation,
    run_probe,
    signal_values,
)
from harness.observe.daxprobe import (
    ProbeReplies,
    Reply,
    first_errno,
    integer,
    signal_of,
)
from harness.records import Observation, Scalar
from harness.scenario.mapping_steps import Fault, Mmap

_KIB = 1 << 10


def fault(step: Fault, shell: Shell, context: StepContext) -> Observation:
    """Touch a mapping page by page, and say how far that came and what it took."""
    length = step.size - step.first if step.length is None else step.length
    op = "map-high" if step.high else "map" if step.fixed else "map-anywhere"
    operations = [
        *beside(step),
        "count:before",
        map_operation(step, writable=step.writable, op=op),
        *advise(step.advice),
        f"touch:{step.access}:{step.first}:{length}:{context.page_size}",
        "count:touched",
        "unmap",
        "count:after",
    ]
    run = run_probe(step.kind, step.memory, step.place, operations, shell, context)
    values = early(run) or _fault_values(run.replies)
    if not step.fixed and "touched_bytes" in values:
        values["overlaps"] = bool(integer(run.replies.one("map"), "over"))
    return Observation(step.kind, values, (run.record,))


def _fault_values(replies: ProbeReplies) -> dict[str, Scalar]:
    touch = replies.one("touch")
    number, faults = integer(touch, "signal"), integer(touch, "faults")
    touched = integer(touch, "touched_bytes")
    values: dict[str, Scalar] = {"outcome": "signalled" if number else "touched"}
    values |= signal_values(touch)
    before, after = replies.count("before"), replies.count("after")
    growth = replies.growth("VmPTE_kB", before, replies.count("touched"))
    return values | {
        "fault_offset": integer(touch, "offset") if number else None,
        "touched_bytes": touched,
        "faults": faults,
        "bytes_per_fault": touched // faults if faults and touched % faults == 0 else None,
        "page_table_bytes": growth * _KIB,
        "page_table_bytes_left": replies.growth("VmPTE_kB", before, after) * _KIB,
    }


def live(step: Mmap, shell: Shell, context: StepContext) -> Observation:
    """A mapping's life again and again, with the counters before, during and after it."""
    operations = _life(step, context.page_size)
    run = run_probe(step.kind, step.memory, step.place, operations, shell, context)
    values = early(run) or _life_values(step, run.replies)
    return Observation(step.kind, values, (run.record,))


def _life(step: Mmap, page: int) -> list[str]:
    whole = f"0:{step.size}:{page}"
    touch, first = f"touch:{step.access}:{whole}", "fill" if step.protect else step.access
    cycle = ["count:before", map_operation(step)]
    cycle += advise("nohuge" if step.collapse else step.advice)
    cycle += [f"touch:{first}:{whole}", *(["advise:huge", "collapse"] if step.collapse else [])]
    cycle += ["count:mapped", *["lock"] * step.lock]
    if step.move:
        cycle += [f"move:{step.MOVED_BYTES}", touch]
    if step.lock:
        cycle += ["count:locked"]
    if step.fork:
        cycle += [FORK, *(["protect:r", "protect:rw"] if step.protect else []), touch, END]
    if step.protect:
        cycle += [f"touch:verify:{whole}"]
    if step.split:
        cycle += [f"unmap-part:{step.size // 2 + page}:{page}"]
    if step.end == "truncate":
        beyond = f"touch:{step.access}:0:{page}:{page}"
        cycle += ['truncate:0:"$file"', beyond, f'truncate:{step.offset + step.size}:"$file"']
    if step.end == "exit":
        cycle = [FORK, *cycle, END]
    else:
        cycle += ["leave" if step.end == "munmap" else "unmap", "count:after"]
    life = [f"repeat:{step.repeats} '{{'", *cycle, END]
    if step.end != "exit":
        life = [FORK, *life, END]
    return [*beside(step), "steady", "count:start", *life, "settle", "count:end"]


def _touches(step: Mmap, replies: ProbeReplies) -> dict[str, list[Reply]]:
    """What each touch of the cycle came to, of all repeats; in the order of ``_life``."""
    roles = ["own", *["moved"] * step.move, *["child"] * step.fork, *["kept"] * step.protect]
    roles += ["beyond"] * (step.end == "truncate")
    found = replies.of("touch")
    return {role: list(found[at :: len(roles)]) for at, role in enumerate(roles)}


def _faults(touches: Iterable[Reply]) -> int:
    return sum(integer(touch, "faults") for touch in touches)


def _life_values(step: Mmap, replies: ProbeReplies) -> dict[str, Scalar]:
    touches = _touches(step, replies)
    wanted = [t for role in ("own", "moved", "child") for t in touches.get(role, ())]
    stopped = [touch for touch in wanted if integer(touch, "signal")]
    values: dict[str, Scalar] = {"outcome": "signalled" if stopped else "touched"}
    if stopped:
        values |= signal_values(stopped[0])
    start, end = replies.count("start"), replies.count("end")
    before, mapped = replies.count("before"), replies.count("mapped")
    huge = "nr_anon_transparent_hugepages" if step.memory == "anon" else "nr_file_pmdmapped"
    values |= {
        "faults": _faults(touches["own"]),
        "page_table_bytes": replies.growth("VmPTE_kB", before, mapped) * _KIB,
        "rss_file_bytes": replies.growth("RssFile_kB", before, mapped) * _KIB,
        "nr_mapped": replies.growth("nr_mapped", before, mapped),
        "pmd_mapped": replies.growth(huge, before, mapped),
        "nr_mapped_left": replies.growth("nr_mapped", start, end),
        "pmd_mapped_left": replies.growth(huge, start, end),
        "page_table_pages_left": integer(replies.one("settle"), "page_table_pages_left"),
    }
    if step.fork:
        values["child_faults"] = _faults(touches["child"])
    if step.memory == "anon":
        values["committed_bytes_left"] = replies.growth("Committed_AS_kB", start, end) * _KIB
    if step.collapse:
        values["collapse_errno"] = first_errno(replies.of("collapse"))
    if step.lock:
        locked = replies.growth("VmLck_kB", before, replies.count("locked"))
        values["lock_errno"] = first_errno(replies.of("lock"))
        values["locked_bytes"] = locked * _KIB
    if step.move:
        values["move_errno"] = first_errno(replies.of("move"))
        values["moved_faults"] = _faults(touches["moved"])
    if step.protect:
        values["protect_errno"] = first_errno(replies.of("protect"))
        values["intact_bytes"] = sum(integer(touch, "touched_bytes") for touch in touches["kept"])
    if step.split:
        values["split_errno"] = first_errno(replies.of("unmap-part"))
    values |= _left_values(step, replies)
    if left := [*replies.of("move"), *replies.of("leave")]:
        values["left_signal"] = _signal(left, "after_signal")
    if step.end == "truncate":
        values["truncated_signal"] = _signal(touches["beyond"], "signal")
    return values


def _signal(replies: Iterable[Reply], name: str) -> str | None:
    """The signal of all repeats; where they differ, all that there were."""
    names = {signal_of(integer(reply, name)) for reply in replies}
    return names.pop() if len(names) == 1 else str(sorted(map(str, names)))


def _left_values(step: Mmap, replies: ProbeReplies) -> dict[str, Scalar]:
    """What all repeats left in the process, where that lives on."""
    if step.end == "exit":
        return {}
    counters = {"page_table_bytes_left": "VmPTE_kB"}
    if step.lock:
        counters["locked_bytes_left"] = "VmLck_kB"
    first, last = replies.count("before", 0), replies.count("after")
    return {name: replies.growth(of, first, last) * _KIB for name, of in counters.items()}


def early(run: ProbeRun) -> dict[str, Scalar]:
    """What there is to see where nothing was mapped, or a process did not live to its end."""
    ended = ended_early(run)
    if ended:
        return ended
    refused = first_errno(run.replies.of("map"))
    return {} if refused is None else {"outcome": "refused", "errno": refused}


def ended_early(run: ProbeRun) -> dict[str, Scalar]:
    """The same where the step maps nothing."""
    if run.missing:
        return {"outcome": "no-device"}
    return {} if run.killed is None else {"outcome": "killed", "signal": run.killed}
