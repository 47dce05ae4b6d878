"""``daxctl reconfigure-device``: a devdax device becomes RAM, and a device again; its state."""

from __future__ import annotations

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.places import name_device
from harness.guest.steps.script import ScriptOutput, run_script
from harness.observe.daxctl import DaxDevice, parse_device
from harness.observe.errno_names import find_errno
from harness.observe.ndctl import parse_refusal
from harness.observe.page_flags import read_page_flags
from harness.observe.sections import parse_attributes
from harness.observe.vmstat import counter_change, parse_meminfo
from harness.records import Observation, Scalar
from harness.scenario.steps import KmemState, ReconfigureDevice

_MEMORY = "grep -hs MemTotal /proc/meminfo /sys/devices/system/node/node*/meminfo"
_BEFORE = f"""\
mark before
{_MEMORY}
"""
_AFTER = f"""\
status=$?
mark after
{_MEMORY}
"""

# /proc/kpageflags of the last page in the last whole block of the device's first range.
_LAST_PAGE = """\
mark last-page
range=/sys/bus/dax/devices/$device/mapping0
if read -r end <$range/end && read -r block </sys/devices/system/memory/block_size_bytes; then
    frame=$(((end + 1) / 0x$block * 0x$block / {page_size} - 1))
    dd if=/proc/kpageflags bs=8 skip=$frame count=1 | od -An -tx8
fi 2>/dev/null
"""

# With --force daxctl takes the memory offline first.
_RECONFIGURE = f"""\
{_BEFORE}mark daxctl
daxctl reconfigure-device --force --mode={{mode}} {{zone}} $device
{_AFTER}{{last_page}}exit $status
"""

_STATE = f"""\
file=/sys/bus/dax/devices/$device/state
{_BEFORE}echo {{state}} >$file
{_AFTER}mark state
show $file state
mark daxctl
daxctl list --dev=$device
exit $status
"""


def reconfigure_device(step: ReconfigureDevice, shell: Shell, context: StepContext) -> Observation:
    """The device in its new mode and the memory that came or went, or why there is neither."""
    zone = "" if step.movable else "--no-movable"
    last_page = _LAST_PAGE.format(page_size=context.page_size) if step.mode == "system-ram" else ""
    reconfigure = _RECONFIGURE.format(mode=step.mode, zone=zone, last_page=last_page)
    script = name_device(step.place, may_lack=True) + reconfigure
    output = run_script(shell, script, context.deadline())
    record = output.record
    if "no-device" in output.sections:
        return Observation(step.kind, {"outcome": "no-device"}, (record,))
    if record.status != 0:
        refusal = parse_refusal(record.stderr, record.status)
        if not refusal.message:
            raise InfrastructureError(f"daxctl ended with status {record.status} without a word")
        refused: dict[str, Scalar] = {"outcome": "refused", "errno": refusal.errno}
        return Observation(step.kind, refused | {"message": refusal.message}, (record,))
    device = parse_device(output.section("daxctl"))
    values: dict[str, Scalar] = {
        "outcome": "reconfigured",
        "mode": device.mode,
        "target_node": device.target_node,
        "added_bytes": _added(output),
        "changed_nodes": _changed_nodes(output),
    }
    if device.mode == "system-ram":
        values |= _blocks(device) | {"movable": device.movable}
        values["last_page"] = read_page_flags(output.section("last-page"))
    return Observation(step.kind, values, (record,))


def set_kmem_state(step: KmemState, shell: Shell, context: StepContext) -> Observation:
    """What the kernel made of the word, and of the device's memory."""
    script = name_device(step.place) + _STATE.format(state=step.state)
    output = run_script(shell, script, context.deadline())
    values: dict[str, Scalar] = {"outcome": "set"}
    if output.record.status != 0:
        values = {"outcome": "refused", "errno": find_errno(output.record.stderr)}
    values |= {
        "state": parse_attributes(output.section("state")).get("state"),
        "added_bytes": _added(output),
    }
    values |= _blocks(parse_device(output.section("daxctl")))
    return Observation(step.kind, values, (output.record,))


def _memory(output: ScriptOutput) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes of the guest and of each node, before and after."""
    return parse_meminfo(output.section("before")), parse_meminfo(output.section("after"))


def _added(output: ScriptOutput) -> int | None:
    """By how many bytes MemTotal grew."""
    return counter_change(*_memory(output), "MemTotal")


def _changed_nodes(output: ScriptOutput) -> str:
    """The nodes whose MemTotal is another one now, commas between them."""
    before, after = _memory(output)
    names = {name for name in before.keys() | after.keys() if name.startswith("Node ")}
    changed = (name for name in names if before.get(name, 0) != after.get(name, 0))
    return ",".join(sorted(name.split()[1] for name in changed))


def _blocks(device: DaxDevice) -> dict[str, Scalar]:
    return {"blocks": device.blocks, "online_blocks": device.online_blocks}
