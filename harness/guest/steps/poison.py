"""Poison in mapped memory, and what two processes that have it mapped see of it."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps import poison_ram
from harness.guest.steps.context import StepContext
from harness.guest.steps.probe import END, FORK, ProbeRun, error_values, map_beside, run_probe
from harness.observe.daxprobe import ProbeReplies, first_errno, integer
from harness.observe.memory_failure import parse_memory_failure
from harness.records import Observation, Scalar
from harness.scenario.mapping_steps import RAM, HwPoison

_KIB = 1 << 10

# The page's frame, of the device's own addresses: pagemap would unmap what PUDs map. A device
# of several ranges has it in the last one that begins before the page.
_FRAME = """\
range=/sys/bus/dax/devices/$device/mapping
number=0 first=
while [ -r $range$number/start ]; do
    read -r begin <$range$number/page_offset
    [ $((begin)) -gt {page} ] || {{ first=$((begin)); read -r start <$range$number/start; }}
    number=$((number + 1))
done
[ -n "$first" ] || lack "the ranges of $device"
frame=$((start / {page_size} + {page} - first))
"""


def poison(step: HwPoison, shell: Shell, context: StepContext) -> Observation:
    """Poison a page, and say what the processes see that have it mapped."""
    page = context.page_size
    offset = step.offset - step.offset % page
    if step.memory in RAM:
        prepare, operations = "", poison_ram.operations(step, offset, page)
    else:
        prepare = _FRAME.format(page=offset // page, page_size=page)
        operations = _operations(step, offset, page)
    run = run_probe(
        step.kind,
        step.memory,
        step.place,
        operations,
        shell,
        context,
        prepare=prepare,
        messages=True,
    )
    values = _early(step, run) or _values(step, run)
    return Observation(step.kind, values, (run.record,))


def _early(step: HwPoison, run: ProbeRun) -> dict[str, Scalar]:
    """What there is to see where no page was poisoned, or a process did not survive it."""
    if run.missing:
        return {"outcome": "no-device"}
    if run.killed is not None:
        return {"outcome": "killed", "signal": run.killed}
    poisoning = "poison" if step.via == "madvise" else "corrupt"
    replies = run.replies
    mapped = [replies.one("map"), *replies.of("map-again")]
    asked = [*replies.of("bind"), *replies.of(poison_ram.ask_early(step)), replies.one(poisoning)]
    refused = first_errno([*mapped, *asked])
    return {} if refused is None else {"outcome": "refused", "errno": refused}


def _operations(step: HwPoison, offset: int, page: int) -> list[str]:
    """Both touched everything before, and that page first.

    Both also have all of it mapped another time, by no entry.
    """
    everything, this = f"touch:read:0:{step.size}:{page}", f"touch:read:{offset}:{page}:{page}"
    if step.via == "madvise":
        child = [everything, f"poison:{offset}", "caught", this]
    else:
        child = [everything, "unmap", 'corrupt:"$frame"', "caught"]
    return [
        "count:before",
        poison_ram.ask_early(step),
        *map_beside(step.size),
        f'map-again:{step.size}:"$file"',
        *(this, everything),
        *(FORK, *child, END),
        "caught",
        everything,
        "count:after",
        "unmap",
    ]


def _values(step: HwPoison, run: ProbeRun) -> dict[str, Scalar]:
    replies, said = run.replies, parse_memory_failure(run.messages)
    before, after = replies.count("before"), replies.count("after")
    seen = poison_ram.values(replies) if step.memory in RAM else _of_devdax(step, replies)
    return {
        "outcome": "poisoned",
        **seen,
        "corrupted_bytes": replies.growth("HardwareCorrupted_kB", before, after) * _KIB,
        "sigbus_messages": said.sigbus_messages,
        "recovery": said.recovery,
    }


def _of_devdax(step: HwPoison, replies: ProbeReplies) -> dict[str, Scalar]:
    touches = replies.of("touch")
    values = error_values(replies.one("caught", 0))
    values |= error_values(replies.one("caught", 1), "other_")
    values["other_faults"] = integer(touches[-1], "faults")
    if step.via == "madvise":
        values["retouched"] = not integer(touches[3], "signal")
    return values
