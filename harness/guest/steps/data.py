"""Data written to the memory of a namespace and read back, at once or after a while."""

from __future__ import annotations

import itertools
from typing import Literal

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.filesystem import CHUNK
from harness.guest.steps.mapping import early
from harness.guest.steps.probe import ProbeRun, map_beside, run_probe, signal_values
from harness.observe.daxprobe import errno_name, first_errno, integer, signal_of
from harness.records import Observation, Scalar
from harness.scenario.steps import ReadBack, WriteRead
from harness.units import align_up

_WORD = 8


def write_and_read(step: WriteRead, shell: Shell, context: StepContext) -> Observation:
    """A pattern written, and what comes back from the medium."""
    return _exchange(step, shell, context, writes=True)


def read_back(step: ReadBack, shell: Shell, context: StepContext) -> Observation:
    """What the medium still has of a pattern."""
    return _exchange(step, shell, context, writes=False)


def _exchange(step: WriteRead, shell: Shell, context: StepContext, *, writes: bool) -> Observation:
    if step.memory == "block":
        return _by_device(step, shell, context, writes=writes)
    return _by_mapping(step, step.memory, shell, context, writes=writes)


def _by_device(step: WriteRead, shell: Shell, context: StepContext, *, writes: bool) -> Observation:
    where = f'{step.size}:{CHUNK}:"$file"'
    # A CPU has a log of its own in a sector namespace: how many entries it has is to be known.
    operations = [*(["one-cpu", f"write-out:{where}"] if writes else []), f"read-in:{where}"]
    run = run_probe(step.kind, "block", step.region, operations, shell, context)
    return Observation(step.kind, _what_the_device_has(run, step.size), (run.record,))


def _what_the_device_has(run: ProbeRun, size: int) -> dict[str, Scalar]:
    if run.missing:
        return {"outcome": "refused", "errno": None, "message": "no block device"}
    if run.killed is not None:
        raise InfrastructureError(f"the comparison broke off: {run.killed}")
    failed = first_errno(run.replies.of("write-out"))
    if failed is not None:
        return {"outcome": "refused", "errno": failed, "message": f"write: {failed}"}
    read = run.replies.one("read-in")
    same = errno_name(read) is None and integer(read, "same_bytes") == size
    return {"outcome": "identical" if same else "differs", "bytes": integer(read, "bytes")}


def _by_mapping(
    step: WriteRead,
    memory: Literal["fsdax", "devdax"],
    shell: Shell,
    context: StepContext,
    *,
    writes: bool,
) -> Observation:
    mapped = f'map:shared:rw:0:{step.size}:"$file"'
    page = context.page_size
    # The last page is reached first: an entry begins with its first one all the same.
    enter = f"touch:read:{align_up(step.size, page) - page}:{page}:{page}"
    verify = f"touch:verify:0:{step.size}:{_WORD}"
    peek = f"peek:0:{step.size}:{CHUNK}"
    # Which has the last byte written to, as it was.
    forbid = "forbid" if writes else "protect:r"
    operations = [verify, forbid, verify, "protect:rw", peek, "unmap"]
    if not writes:
        operations = [*map_beside(step.size), enter, *operations]
    elif step.hole:
        operations = [*_make_holes(step, mapped, page), *operations]
    else:
        # device-dax has no fsync: what it maps is as durable as the caches of the CPU.
        sync = ["sync"] if memory == "fsdax" else []
        fill = [f"touch:fill:0:{step.size}:{_WORD}", *sync, "unmap"]
        operations = [*map_beside(step.size), *fill, mapped, enter, *operations]
    run = run_probe(step.kind, memory, step.region, operations, shell, context)
    values = early(run)
    if not values:
        values = _what_came_back(run, step.size)
        if writes:
            forbidden = integer(run.replies.one("forbid"), "after_signal")
            values["protected_signal"] = signal_of(forbidden)
        if writes and step.hole:
            values["kept_bytes"] = integer(run.replies.one("touch"), "touched_bytes")
    return Observation(step.kind, values, (run.record,))


def _make_holes(step: WriteRead, mapped: str, page: int) -> list[str]:
    """One that ends within a page, behind which is what was there; then all, to be filled.

    The first is read by base pages, the second by whatever the kernel likes.
    """
    end = step.hole_end
    # Each begins or ends within a page, and the first has a hole around it.
    stored = [f'store:{end}:{step.size - end}:"$file"', f'store:0:{end}:"$file"']
    behind = f"touch:verify:{end}:{step.size - end}:{_WORD}"
    zeroes = ["advise:nohuge", f"touch:read:0:{end}:{page}", "advise:huge"]
    kept = [*stored, f'punch:{end}:"$file"', mapped, behind, *zeroes]
    # All of the last page as well: what is stored may end within it.
    whole = align_up(step.size, page)
    return [*kept, f'punch:{whole}:"$file"', f"touch:read:0:{step.size}:{page}", *stored]


def _what_came_back(run: ProbeRun, size: int) -> dict[str, Scalar]:
    """By whichever way the least did."""
    replies = run.replies
    done = (replies.of(op) for op in ("sync", "punch", "store", "forbid", "protect"))
    failed = first_errno(itertools.chain.from_iterable(done))
    touches = replies.of("touch")[-2:]
    read = min(integer(reply, "touched_bytes") for reply in (*touches, *replies.of("peek")))
    return {
        "outcome": "identical" if read == size and failed is None else "differs",
        "bytes": read,
        "errno": failed,
        **signal_values(touches[0]),
    }
