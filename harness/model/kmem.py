"""What ``reconfigure-device`` must show: a devdax device as RAM, and back."""

from __future__ import annotations

from harness.errors import UserError
from harness.model.availability import why_no_kmem, why_no_mode
from harness.model.geometry import Span
from harness.model.identity import memory_block
from harness.model.machine import Machine
from harness.model.numa import node_of
from harness.model.rules import RULES
from harness.model.state import GuestState, Namespace, RegionState
from harness.records import Expected, Prediction
from harness.scenario.steps import ReconfigureDevice
from harness.units import align_down, align_up


def predict_reconfigure(state: GuestState, step: ReconfigureDevice) -> Prediction:
    """A ``reconfigure-device`` step; the device is in its new mode from then on.

    Raises UserError where the region's device is in that mode already.
    """
    machine = state.machine
    lacking = why_no_mode(machine, "devdax") or why_no_kmem(machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    device = region.devdax
    if region.system_ram is None and (device is None or device.size_bytes == 0):
        return Prediction(step.kind, (Expected("outcome", "no-device", RULES["gup.no-device"]),))
    if step.mode == "devdax":
        return Prediction(step.kind, _returned(machine, region))
    if device is None:
        raise UserError(
            f"reconfigure-device: the device of region {step.region} is RAM at this point",
            field="mode",
            hint="reconfigure-device with mode: devdax before it",
        )
    region.system_ram = device
    memory, why = online_span(machine, device)
    expected = _added(machine, region, memory, why) if memory.size else _refused(why)
    return Prediction(step.kind, expected)


def online_span(machine: Machine, device: Namespace) -> tuple[Span, str]:
    """The part of a device that becomes RAM, and how it was cut; empty without a whole block.

    Source: drivers/dax/kmem.c, dax_kmem_range.
    """
    block, _ = memory_block(machine)
    start = device.start + (device.info.data_offset if device.info else 0)
    end = start + device.size_bytes
    first, last = align_up(start, block), align_down(end, block)
    why = f"{start:#x} to {end:#x} in whole blocks of {block:#x}"
    return Span(first, max(first, last)), why


def _refused(why: str) -> tuple[Expected, ...]:
    rule = RULES["kmem.too-small"]
    return (
        Expected("outcome", "refused", rule, because=why),
        Expected("errno", "EINVAL", rule, because=why),
        Expected("message", "failed to enable", rule, "contains", why),
    )


def _added(machine: Machine, region: RegionState, memory: Span, why: str) -> tuple[Expected, ...]:
    blocks, rule = memory.size // memory_block(machine)[0], RULES["kmem.blocks"]
    online = RULES["kmem.online"]
    return (
        Expected("outcome", "reconfigured", online),
        Expected("mode", "system-ram", online),
        Expected("target_node", node_of(machine, region.device), RULES["numa.region"]),
        Expected("added_bytes", memory.size, rule, because=why),
        Expected("blocks", blocks, rule, because=why),
        Expected("online_blocks", blocks, online),
        Expected("movable", True, online),
    )


def _returned(machine: Machine, region: RegionState) -> tuple[Expected, ...]:
    device = region.system_ram
    if device is None:
        raise UserError(
            "reconfigure-device: the region's device is no RAM at this point",
            field="mode",
            hint="reconfigure-device with mode: system-ram before it",
        )
    region.system_ram = None
    memory, why = online_span(machine, device)
    rule = RULES["kmem.returned"]
    return (
        Expected("outcome", "reconfigured", rule),
        Expected("mode", "devdax", rule),
        Expected("target_node", node_of(machine, region.device), RULES["numa.region"]),
        Expected("added_bytes", -memory.size, rule, because=why),
    )
