"""gup_test's ioctl on memory that nobody touched before: GUP itself has to fault it in.

The tool cannot do that since it touches what it maps (-z is gone in 7.2); daxprobe can.
"""

from __future__ import annotations

from harness.errors import UserError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.probe import map_beside, run_probe
from harness.observe.daxprobe import ProbeReplies, errno_name, first_errno, integer
from harness.records import Observation, Scalar
from harness.scenario.steps import GupCommand, GupTest

# mm/gup_test.h
_NUMBERS: dict[GupCommand, int] = {
    "get-fast": 1,
    "pin-fast": 2,
    "longterm": 3,
    "longterm-fast": 2,
    "get": 4,
    "pin": 5,
}
_FOLL_WRITE = 1


def run_gup_untouched(step: GupTest, shell: Shell, context: StepContext) -> Observation:
    """The ioctl's own word of how far it came, and the pin counters around it."""
    if step.memory not in ("devdax", "fsdax"):
        raise UserError(f"touch: false is for devdax and fsdax, not {step.memory}", field="touch")
    run = run_probe(step.kind, step.memory, step.place, _operations(step, context), shell, context)
    values = {"outcome": "no-device"} if run.missing else _values(step, run.replies)
    return Observation(step.kind, values, (run.record,))


def _operations(step: GupTest, context: StepContext) -> list[str]:
    sharing = "shared" if step.shared else "private"
    flags = _FOLL_WRITE if step.write else 0
    flags |= context.foll_longterm if step.command == "longterm-fast" else 0
    gup = f"gup:{_NUMBERS[step.command]}:0:{step.size}:{step.pages_per_call}:{flags}"
    return [
        *map_beside(step.size, sharing),
        *([] if step.huge else ["advise:nohuge"]),
        "count:before",
        f"repeat:{step.repeats} '{{' {gup} '}}'",
        "count:after",
        "unmap",
    ]


def _values(step: GupTest, replies: ProbeReplies) -> dict[str, Scalar]:
    refused = errno_name(replies.one("map"))
    if refused is not None:
        return {"outcome": "mmap-refused", "errno": refused}
    calls = replies.of("gup")
    refused = first_errno(calls)
    if refused is not None:
        return {"outcome": "ioctl-refused", "errno": refused}
    before, after = replies.count("before"), replies.count("after")
    least = min(integer(call, "size") for call in calls)
    return {
        "outcome": "ran",
        "results": len(calls),
        # gup_test prints a size that is not the one it asked for as truncated.
        "truncated_bytes": None if least == step.size else least,
        "pinned_pages": replies.growth("nr_foll_pin_acquired", before, after),
        "unpinned_pages": replies.growth("nr_foll_pin_released", before, after),
    }
