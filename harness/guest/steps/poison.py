"""Poison in a device-dax, and what two processes that have it mapped see of it."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.probe import END, FORK, ProbeRun, map_beside, run_probe, signal_values
from harness.observe.daxprobe import ProbeReplies, Reply, first_errno, integer
from harness.observe.memory_failure import parse_memory_failure
from harness.records import Observation, Scalar
from harness.scenario.mapping_steps import HwPoison

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
    """Poison a page; both processes had touched everything before, and that page first.

    Both also have all of it mapped another time, by no entry.
    """
    page = context.page_size
    offset = step.offset - step.offset % page
    prepare = _FRAME.format(page=offset // page, page_size=page)
    operations = _operations(step, offset, page)
    run = run_probe(
        step.kind,
        "devdax",
        step.place,
        operations,
        shell,
        context,
        prepare=prepare,
        messages=True,
    )
    values = _early(step, run)
    if not values:
        said = parse_memory_failure(run.messages)
        values = _values(step, run.replies)
        values |= {"sigbus_messages": said.sigbus_messages, "recovery": said.recovery}
    return Observation(step.kind, values, (run.record,))


def _early(step: HwPoison, run: ProbeRun) -> dict[str, Scalar]:
    """What there is to see where no page was poisoned, or a process did not survive it."""
    if run.missing:
        return {"outcome": "no-device"}
    if run.killed is not None:
        return {"outcome": "killed", "signal": run.killed}
    poisoning = "poison" if step.via == "madvise" else "corrupt"
    calls = [run.replies.one("map"), *run.replies.of("early"), run.replies.one(poisoning)]
    refused = first_errno(calls)
    return {} if refused is None else {"outcome": "refused", "errno": refused}


def _operations(step: HwPoison, offset: int, page: int) -> list[str]:
    everything, this = f"touch:read:0:{step.size}:{page}", f"touch:read:{offset}:{page}:{page}"
    if step.via == "madvise":
        child = [everything, f"poison:{offset}", "caught", this]
    else:
        child = [everything, "unmap", 'corrupt:"$frame"', "caught"]
    return [
        "count:before",
        *(["early"] if step.early else []),
        *map_beside(step.size),
        f'map-again:{step.size}:"$file"',
        *(this, everything),
        *(FORK, *child, END),
        "caught",
        everything,
        "count:after",
        "unmap",
    ]


def _values(step: HwPoison, replies: ProbeReplies) -> dict[str, Scalar]:
    touches = replies.of("touch")
    before, after = replies.count("before"), replies.count("after")
    values: dict[str, Scalar] = {"outcome": "poisoned"}
    values |= _signal(replies.one("caught", 0), "") | _signal(replies.one("caught", 1), "other_")
    values["other_faults"] = integer(touches[-1], "faults")
    values["corrupted_bytes"] = replies.growth("HardwareCorrupted_kB", before, after) * _KIB
    if step.via == "madvise":
        values["retouched"] = not integer(touches[3], "signal")
    return values


def _signal(reply: Reply, prefix: str) -> dict[str, Scalar]:
    caught = bool(integer(reply, "signal"))
    return {
        **signal_values(reply, prefix),
        f"{prefix}address_offset": integer(reply, "offset") if caught else None,
        f"{prefix}address_lsb": integer(reply, "lsb") if caught else None,
    }
