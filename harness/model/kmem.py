"""What ``reconfigure-device`` must show: a devdax device as RAM, and back."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import UserError
from harness.model.availability import why_no_dax_device, why_no_kmem, why_no_mode
from harness.model.cost import cost_of_span, room_for_struct_pages
from harness.model.dax_region import DaxDevice, DaxRegion
from harness.model.geometry import Span
from harness.model.identity import memory_block
from harness.model.machine import MIB, Machine
from harness.model.numa import devices_as_ram, node_of
from harness.model.ram import Ram
from harness.model.rules import RULES
from harness.model.state import Devdax, GuestState, RegionState
from harness.records import Expected, Prediction, Rule
from harness.scenario.step import DeviceStep
from harness.scenario.steps import ReconfigureDevice
from harness.units import align_down, align_up, format_size


def predict_reconfigure(state: GuestState, step: ReconfigureDevice) -> Prediction:
    """A ``reconfigure-device`` step; the device is in its new mode from then on.

    Raises UserError where the device is in that mode already, or daxctl would mistake other
    memory for the device's, or leave some of it online.
    """
    machine = state.machine
    lacking = why_never_ram(machine, step)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    if step.device:
        expected = _dynamic(state, step, state.dax_device(step.device))
    else:
        region = state.region(step.region)
        check_last(step, region)
        expected = _static(state, step, region)
    return Prediction(step.kind, expected)


def why_never_ram(machine: Machine, step: DeviceStep) -> str | None:
    """Why the guest has no such device that could be RAM."""
    lacking = why_no_dax_device(machine) if step.device else why_no_mode(machine, "devdax")
    return lacking or why_no_kmem(machine)


def _static(
    state: GuestState, step: ReconfigureDevice, region: RegionState
) -> tuple[Expected, ...]:
    """The device of a pmem namespace."""
    machine = state.machine
    node, rule = node_of(machine, region.device), RULES["numa.region"]
    last = region.devdax
    if region.system_ram is None and (last is None or last.size_bytes == 0):
        return (Expected("outcome", "no-device", RULES["gup.no-device"]),)
    if step.mode == "devdax":
        device, region.system_ram = region.system_ram, None
        if device is None:
            raise _not_so(step)
        check_movable(step, region.ram)
        ram, region.ram = region.ram, None
        return _returned(machine, device, Expected("target_node", node, rule), ram)
    device = region.devdax
    if device is None:
        raise UserError(
            f"reconfigure-device: the device of region {step.region} is RAM at this point",
            field="mode",
            hint="reconfigure-device with mode: devdax before it",
        )
    _check_struct_pages(state, step, device)
    region.system_ram, region.ram = device, _brought_online(machine, step, device)
    return _added(machine, device, Expected("target_node", node, rule), region.ram)


def _dynamic(state: GuestState, step: ReconfigureDevice, device: DaxDevice) -> tuple[Expected, ...]:
    """A device of soft-reserved memory; daxctl leaves it without a driver where kmem refuses."""
    machine, region = state.machine, state.dax_region(device.region)
    check_alone(region, device)
    node = Expected("target_node", region.node, RULES["dyn.node"])
    if step.mode == "devdax":
        if device.driver == "device_dax":
            raise _not_so(step)
        check_movable(step, device.ram)
        ram, device.ram = device.ram, None
        region.bind(device, "device_dax")
        return _returned(machine, device, node, ram)
    ram = device.ram
    if not device.ranges or (ram and not (ram.plugged and ram.online == "nothing")):
        raise _not_so(step)
    if region.node is None:
        device.driver = None
        return _refused(RULES["kmem.no-node"], "the region is on no node")
    _check_struct_pages(state, step, device)
    device.ram = _brought_online(machine, step, device)
    device.driver = "kmem" if device.ram else None
    return _added(machine, device, node, device.ram)


def _brought_online(machine: Machine, step: ReconfigureDevice, device: Devdax) -> Ram | None:
    """The RAM that daxctl makes of a device; None where kmem refuses it, as too small."""
    if not online_spans(machine, device):
        return None
    return Ram.brought_online(machine, movable=step.movable)


def _check_struct_pages(state: GuestState, step: ReconfigureDevice, device: Devdax) -> None:
    """Raise UserError where RAM does not hold those of all that is RAM then: none are of a device.

    They come from kernel memory, as all blocks are added before any is online.
    """
    machine = state.machine
    others = (other for _, other, _ in devices_as_ram(state) if other is not device)
    spans = [span for given in (device, *others) for span in online_spans(machine, given)]
    needed = sum(cost_of_span(machine, span, machine.page).taken.ram_bytes for span in spans)
    beside = sum(b.ram_bytes for b in state.blocks if not any(b.covered.meets(s) for s in spans))
    room = room_for_struct_pages(machine, beside)
    if needed > room:
        ram, left = format_size(machine.layout.ram_bytes), format_size(align_down(room, MIB))
        raise UserError(
            f"{step.kind}: {format_size(needed)} of struct pages do not fit into the guest's RAM:"
            f" of {ram} there are {left} for them",
            field="mode",
            hint="more ram, or a smaller device",
        )


def check_movable(step: DeviceStep, ram: Ram | None) -> None:
    """Raise UserError for memory that the kernel may have for itself: nobody knows whether."""
    if ram is not None and not ram.movable:
        raise UserError(
            f"{step.kind}: the kernel may use memory of the device for itself, and then does not"
            " give it up",
            field="device" if step.device else "region",
            hint="reconfigure-device without movable: false before it",
        )


def check_last(step: DeviceStep, region: RegionState) -> None:
    """Raise UserError where another device was made in the region since one of it became RAM."""
    if region.system_ram is not None and region.devdax is not None:
        raise UserError(
            f"{step.kind}: region {step.region} has another device that is RAM, made before this",
            field="region",
            hint="reconfigure-device with mode: devdax before the other create-namespace",
        )


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


def added_bytes(machine: Machine, device: Devdax) -> tuple[int, str]:
    """The size of all that becomes RAM, and how it was cut."""
    ranges = ", ".join(f"{span.start:#x} to {span.end:#x}" for span in device.data)
    why = f"{ranges} in whole blocks of {memory_block(machine)[0]:#x}"
    return sum(span.size for span in online_spans(machine, device)), why


def seen_bytes(machine: Machine, device: Devdax) -> tuple[int, str]:
    """What of that daxctl counts, and brings online: see the rule kmem.one-piece."""
    piece, block = _piece(device), memory_block(machine)[0]
    spans = (span for span in online_spans(machine, device) if span.meets(piece))
    seen = sum(align_down(span.common(piece).size, block) for span in spans)
    _, why = added_bytes(machine, device)
    return seen, f"{why}, of those from {piece.start:#x} to {piece.end:#x}"


def check_alone(region: DaxRegion, device: DaxDevice) -> None:
    """Raise UserError where daxctl would take the RAM of another device for this one's."""
    piece = _piece(device)
    for other in region.devices.values():
        between = any(span.meets(piece) for span in other.ranges)
        if other is not device and between and other.ram and other.ram.plugged:
            raise UserError(
                f"daxctl takes memory of dax{region.index}.{other.id}, which is RAM between the"
                f" ranges of dax{region.index}.{device.id}, for the latter's",
                field="device",
                hint="reconfigure-device of the one between, with mode: devdax, before it",
            )


def _piece(device: Devdax) -> Span:
    """Where daxctl looks for its blocks."""
    start = device.data[0].start if device.data else 0
    return Span(start, start + device.size_bytes)


def in_use(machine: Machine, device: Devdax, ram: Ram | None) -> tuple[int, str]:
    """How much of it counts as memory at this point, and why."""
    if ram is None or ram.online == "nothing":
        return 0, "nothing of it was online"
    return (added_bytes if ram.online == "everything" else seen_bytes)(machine, device)


def _refused(rule: Rule, why: str) -> tuple[Expected, ...]:
    message = Expected("message", "failed to enable", rule, "contains", why)
    return (*refused_with("EINVAL", rule, why), message)


def refused_with(errno: str, rule: Rule, why: str) -> tuple[Expected, ...]:
    return (
        Expected("outcome", "refused", rule, because=why),
        Expected("errno", errno, rule, because=why),
    )


def _added(
    machine: Machine, device: Devdax, node: Expected, ram: Ram | None
) -> tuple[Expected, ...]:
    seen, why = added_bytes(machine, device)
    if not seen:
        return _refused(RULES["kmem.too-small"], why)
    rule, online = RULES["kmem.blocks"], RULES["kmem.online"]
    if len(device.data) > 1:
        (seen, why), rule = seen_bytes(machine, device), RULES["kmem.one-piece"]
    blocks, memory = seen // memory_block(machine)[0], in_use(machine, device, ram)[0]
    return (
        Expected("outcome", "reconfigured", online),
        Expected("mode", "system-ram", online),
        *_on_node(machine, node, memory),
        Expected("added_bytes", memory, rule, because=why),
        Expected("blocks", blocks, rule, because=why),
        Expected("online_blocks", blocks, online),
        Expected("movable", ram is None or ram.movable, online),
        *_last_page(machine, device),
    )


def _last_page(machine: Machine, device: Devdax) -> Iterator[Expected]:
    """Of the first range, where that has a whole block."""
    if any(span.meets(device.data[0]) for span in online_spans(machine, device)):
        yield Expected("last_page", "page", RULES["kmem.last-page"])


def _returned(
    machine: Machine, device: Devdax, node: Expected, ram: Ram | None
) -> tuple[Expected, ...]:
    memory, why = in_use(machine, device, ram)
    if memory > seen_bytes(machine, device)[0]:
        raise UserError(
            "reconfigure-device: daxctl takes no range but the first offline, and what is online"
            " stays until the guest boots again",
            field="mode",
            hint="kmem-state with state: unplugged before it",
        )
    rule = RULES["kmem.returned"]
    return (
        Expected("outcome", "reconfigured", rule),
        Expected("mode", "devdax", rule),
        *_on_node(machine, node, memory),
        Expected("added_bytes", -memory, rule, because=why),
    )


def _on_node(machine: Machine, node: Expected, memory: int) -> tuple[Expected, ...]:
    """The target node, and whose memory so many bytes are."""
    if not machine.kernel.has("NUMA"):
        return (node,)
    changed = str(node.value) if memory else ""
    return (node, Expected("changed_nodes", changed, RULES["kmem.node"]))
