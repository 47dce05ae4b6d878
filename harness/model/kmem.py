"""What ``reconfigure-device`` must show, a devdax device as RAM and back, and its state as RAM."""

from __future__ import annotations

from harness.errors import UserError
from harness.model.availability import (
    why_no_dax_device,
    why_no_kmem,
    why_no_kmem_state,
    why_no_mode,
)
from harness.model.dax_region import DaxDevice
from harness.model.geometry import Span
from harness.model.identity import memory_block
from harness.model.machine import Machine
from harness.model.numa import node_of
from harness.model.rules import RULES
from harness.model.state import Devdax, GuestState, RegionState
from harness.records import Expected, Prediction, Rule
from harness.scenario.steps import KmemState, ReconfigureDevice
from harness.units import align_down, align_up

# mm/Kconfig, MHP_DEFAULT_ONLINE_TYPE: how blocks are added where nobody says it.
_DEFAULT_ONLINE_TYPE = {
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "online",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_KERNEL": "online_kernel",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_MOVABLE": "online_movable",
}


def predict_reconfigure(state: GuestState, step: ReconfigureDevice) -> Prediction:
    """A ``reconfigure-device`` step; the device is in its new mode from then on.

    Raises UserError where the device is in that mode already.
    """
    machine = state.machine
    lacking = why_no_dax_device(machine) if step.device else why_no_mode(machine, "devdax")
    lacking = lacking or why_no_kmem(machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    if step.device:
        expected = _dynamic(state, step, state.dax_device(step.device))
    else:
        expected = _static(machine, step, state.region(step.region))
    return Prediction(step.kind, expected)


def _static(machine: Machine, step: ReconfigureDevice, region: RegionState) -> tuple[Expected, ...]:
    """The device of a pmem namespace."""
    node, rule = node_of(machine, region.device), RULES["numa.region"]
    last = region.devdax
    if region.system_ram is None and (last is None or last.size_bytes == 0):
        return (Expected("outcome", "no-device", RULES["gup.no-device"]),)
    if step.mode == "devdax":
        ram, region.system_ram = region.system_ram, None
        if ram is None:
            raise _not_so(step)
        online = region.ram_state != "unplugged"
        return _returned(machine, ram, Expected("target_node", node, rule), online=online)
    device = region.devdax
    if device is None:
        raise UserError(
            f"reconfigure-device: the device of region {step.region} is RAM at this point",
            field="mode",
            hint="reconfigure-device with mode: devdax before it",
        )
    region.system_ram, region.ram_state = device, _state_as_added(machine)
    return _added(machine, device, Expected("target_node", node, rule))


def _state_as_added(machine: Machine) -> str:
    found = (word for name, word in _DEFAULT_ONLINE_TYPE.items() if machine.kernel.has(name))
    return next(found, "offline")


def predict_kmem_state(state: GuestState, step: KmemState) -> Prediction:
    """A ``kmem-state`` step. Raises UserError where the region's device is not RAM."""
    machine = state.machine
    lacking = why_no_mode(machine, "devdax") or why_no_kmem(machine) or why_no_kmem_state(machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    device = region.system_ram
    if device is None or not online_spans(machine, device):
        raise UserError(
            f"kmem-state: the device of region {step.region} is not RAM at this point",
            field="region",
            hint="reconfigure-device with mode: system-ram before it",
        )
    before = region.ram_state
    errno, rule = _refusal_of_state(before, step.state)
    after = region.ram_state = step.state if errno is None else before
    memory, why = _online_bytes(machine, device)
    had, has = (0 if word == "unplugged" else memory for word in (before, after))
    blocks = has // memory_block(machine)[0]
    outcome: tuple[Expected, ...] = (Expected("outcome", "set", rule),)
    if errno is not None:
        outcome = _refused_with(errno, rule, f"the state is {before}")
    expected = (
        *outcome,
        Expected("state", after, rule),
        Expected("added_bytes", has - had, rule, because=why),
        Expected("blocks", blocks, rule, because=why),
        Expected("online_blocks", blocks, rule, because=why),
    )
    return Prediction(step.kind, expected)


def _refusal_of_state(before: str | None, asked: str) -> tuple[str | None, Rule]:
    """The error for asking so, None without, and the rule that says so."""
    if asked == "offline":
        return "EINVAL", RULES["kmem.state-offline"]
    if "unplugged" in (before, asked) or before == asked:
        return None, RULES["kmem.state-whole"]
    return "EBUSY", RULES["kmem.state-busy"]


def _dynamic(state: GuestState, step: ReconfigureDevice, device: DaxDevice) -> tuple[Expected, ...]:
    """A device of soft-reserved memory; daxctl leaves it without a driver where kmem refuses."""
    machine, region = state.machine, state.dax_region(device.region)
    node = Expected("target_node", region.node, RULES["dyn.node"])
    if step.mode == "devdax":
        if device.driver == "device_dax":
            raise _not_so(step)
        online, device.online = device.online, False
        region.bind(device, "device_dax")
        return _returned(machine, device, node, online=online)
    if device.online or not device.ranges:
        raise _not_so(step)
    if region.node is None:
        device.driver = None
        return _refused(RULES["kmem.no-node"], "the region is on no node")
    device.online = bool(online_spans(machine, device))
    device.driver = "kmem" if device.online else None
    return _added(machine, device, node)


def _not_so(step: ReconfigureDevice) -> UserError:
    other = "devdax" if step.mode == "system-ram" else "system-ram"
    return UserError(
        f"reconfigure-device: {step.device or 'the device'} is not {other} at this point",
        field="mode",
        hint=f"reconfigure-device with mode: {other} before it",
    )


def online_spans(machine: Machine, device: Devdax) -> tuple[Span, ...]:
    """What of a device becomes RAM: the whole blocks of each range; none where there is none.

    Source: drivers/dax/kmem.c, dax_kmem_range.
    """
    block, _ = memory_block(machine)
    cut = (Span(align_up(r.start, block), align_down(r.end, block)) for r in device.data)
    return tuple(span for span in cut if span.start < span.end)


def _online_bytes(machine: Machine, device: Devdax) -> tuple[int, str]:
    """The size of all that, and how it was cut."""
    ranges = ", ".join(f"{span.start:#x} to {span.end:#x}" for span in device.data)
    why = f"{ranges} in whole blocks of {memory_block(machine)[0]:#x}"
    return sum(span.size for span in online_spans(machine, device)), why


def _refused(rule: Rule, why: str) -> tuple[Expected, ...]:
    message = Expected("message", "failed to enable", rule, "contains", why)
    return (*_refused_with("EINVAL", rule, why), message)


def _refused_with(errno: str, rule: Rule, why: str) -> tuple[Expected, ...]:
    return (
        Expected("outcome", "refused", rule, because=why),
        Expected("errno", errno, rule, because=why),
    )


def _added(machine: Machine, device: Devdax, node: Expected) -> tuple[Expected, ...]:
    memory, why = _online_bytes(machine, device)
    if not memory:
        return _refused(RULES["kmem.too-small"], why)
    blocks, rule = memory // memory_block(machine)[0], RULES["kmem.blocks"]
    online = RULES["kmem.online"]
    return (
        Expected("outcome", "reconfigured", online),
        Expected("mode", "system-ram", online),
        node,
        Expected("added_bytes", memory, rule, because=why),
        Expected("blocks", blocks, rule, because=why),
        Expected("online_blocks", blocks, online),
        Expected("movable", True, online),
    )


def _returned(
    machine: Machine, device: Devdax, node: Expected, *, online: bool = True
) -> tuple[Expected, ...]:
    memory, why = _online_bytes(machine, device) if online else (0, "nothing of it was online")
    rule = RULES["kmem.returned"]
    return (
        Expected("outcome", "reconfigured", rule),
        Expected("mode", "devdax", rule),
        node,
        Expected("added_bytes", -memory, rule, because=why),
    )
