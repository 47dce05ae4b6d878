"""What steps about dynamic dax regions must show: devices made, resized and destroyed.

The kernel's part is drivers/dax/bus.c, with the space of a region in ``dax_region.py`` and what
is refused in ``dax_change.py``; what daxctl leaves behind is ndctl's daxctl/device.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.errors import UserError
from harness.model.availability import why_no_dax_device, why_no_mode, why_no_soft_reserved
from harness.model.dax_change import Refused, change
from harness.model.dax_cost import (
    DeviceCost,
    cost_of_device,
    expect_change,
    expect_initialised_pages,
)
from harness.model.dax_region import DaxDevice, DaxRegion
from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction, Rule
from harness.scenario.dax_steps import CreateDevice, DaxRegions, DestroyDevice, ResizeDevice


def predict_dax_regions(state: GuestState, step: DaxRegions) -> Prediction:
    """Every region and its devices, or that there is none."""
    lacking = why_no_soft_reserved(state.machine)
    number = len(state.dax_regions)
    if lacking is not None or not state.dax_regions:
        because = lacking or "the layout has no soft-reserved memory"
        none = Expected("dax_regions", number, RULES["dyn.none"], because=because)
        return Prediction(step.kind, (none,))
    expected = [Expected("dax_regions", number, RULES["dyn.region"])]
    for region in state.dax_regions:
        expected += _expect_whole_region(state.machine, region)
    return Prediction(step.kind, tuple(expected))


def _expect_whole_region(machine: Machine, region: DaxRegion) -> Iterator[Expected]:
    name, rule = f"dax_region{region.index}", RULES["dyn.region"]
    yield Expected(f"{name}.size_bytes", region.span.size, rule)
    yield Expected(f"{name}.align_bytes", region.align, rule)
    yield Expected(f"{name}.youngest", region.youngest, RULES["dyn.seed"])
    for expected in _expect_region(region):
        yield replace(expected, name=f"{name}.{expected.name}")
    for id_, device in sorted(region.devices.items()):
        for expected in _expect_device(machine, region, device):
            yield replace(expected, name=f"dax{region.index}.{id_}.{expected.name}")


def _expect_region(region: DaxRegion) -> tuple[Expected, ...]:
    taken = ", ".join(f"{span.start:#x} to {span.end:#x}" for span in region.ranges())
    why = f"{region.span.size:#x} but for {taken or 'nothing'}"
    ids = " ".join(map(str, sorted(region.devices)))
    return (
        Expected("available_bytes", region.available_bytes, RULES["dyn.available"], because=why),
        Expected("devices", ids, RULES["dyn.ids"]),
        Expected("seed", region.seed, RULES["dyn.seed"]),
    )


def _expect_device(machine: Machine, region: DaxRegion, device: DaxDevice) -> Iterator[Expected]:
    first = RULES["dyn.idle" if machine.layout.region_idle else "dyn.whole"]
    made = RULES["dyn.created"] if device.id else first
    fit, page = RULES["dyn.first-fit"], machine.page
    yield Expected("size_bytes", device.size_bytes, made)
    yield Expected("align_bytes", device.align, made)
    resource = device.ranges[0].start if device.ranges else region.span.start
    yield Expected("resource", resource, fit if device.ranges else RULES["dyn.region"])
    yield Expected("target_node", region.node, RULES["dyn.node"])
    yield Expected("driver", device.driver, made)
    yield Expected("ranges", len(device.ranges), fit)
    offset = 0
    for index, span in enumerate(device.ranges):
        yield Expected(f"range{index}.start", span.start, fit)
        yield Expected(f"range{index}.end", span.end - 1, fit)
        yield Expected(f"range{index}.page_offset", offset // page, RULES["dyn.offsets"])
        offset += span.size


def predict_create_device(state: GuestState, step: CreateDevice) -> Prediction:
    """A ``create-device`` step; daxctl may leave a device without memory where it fails."""
    machine = state.machine
    if step.region is not None:
        return _in_static_region(state, step.kind, "ENOENT", "ENOSPC")
    lacking = why_no_dax_device(machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.dax_region(step.dax_region)
    free = region.available_bytes
    if free == 0:
        refused = Refused(RULES["dyn.no-space"], "ENOSPC", "ENOSPC", "nothing is available")
        return Prediction(step.kind, (*refused.expected(), *_expect_region(region)))
    made = region.create()
    device = made if region.seed is None else region.devices[region.seed]
    before = cost_of_device(machine, device)
    wanted = free if step.size is None else step.size
    refusal = change(machine, region, device, wanted, step.align)
    if refusal is not None:
        return Prediction(step.kind, (*refusal.expected(), *_expect_region(region)))
    region.bind(device, "device_dax")
    expected = (
        Expected("outcome", "created", RULES["dyn.created"]),
        Expected("device", device.id, RULES["dyn.seed"]),
        *_expect_device(machine, region, device),
        *_expect_region(region),
        *_expect_memory(machine, before, cost_of_device(machine, device), bound=True),
    )
    return Prediction(step.kind, expected)


def predict_resize_device(state: GuestState, step: ResizeDevice) -> Prediction:
    """A ``resize-device`` step; a device with memory has a driver afterwards."""
    machine = state.machine
    if step.device is None:
        return _in_static_region(state, step.kind, "EACCES", "ENXIO")
    lacking = why_no_dax_device(machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    device, region = state.dax_device(step.device), state.dax_region(step.device.region)
    if step.disable:
        _check_no_ram(step.kind, device, "disable: false")
    before = cost_of_device(machine, device)
    shrinks = step.size < device.size_bytes
    device.driver = None if step.disable else device.driver
    refusal = change(machine, region, device, step.size, step.align)
    if step.disable and device.ranges:
        region.bind(device, "device_dax")
    rule = RULES["dyn.shrink" if shrinks else "dyn.first-fit"]
    outcome = refusal.expected() if refusal else (Expected("outcome", "resized", rule),)
    bound = step.disable and bool(device.ranges)
    expected = (
        *outcome,
        *(e for e in _expect_region(region) if e.name == "available_bytes"),
        *_shown_by(rule, _expect_device(machine, region, device)),
        *_expect_memory(machine, before, cost_of_device(machine, device), bound=bound),
    )
    return Prediction(step.kind, expected)


def _shown_by(rule: Rule, values: Iterator[Expected]) -> Iterator[Expected]:
    """A device's values, its size and ranges by the rule that they came about by."""
    for expected in values:
        own = expected.name == "size_bytes" or expected.rule == RULES["dyn.first-fit"]
        yield replace(expected, rule=rule) if own else expected


def predict_destroy_device(state: GuestState, step: DestroyDevice) -> Prediction:
    """A ``destroy-device`` step; device 0 is emptied and stays."""
    machine = state.machine
    lacking = why_no_dax_device(machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    device, region = state.dax_device(step.device), state.dax_region(step.device.region)
    if step.force:
        _check_no_ram(step.kind, device, "force: false")
    before = cost_of_device(machine, device)
    if device.active and not step.force:
        rule = RULES["dyn.daxctl-active"]
        refused = (Expected("outcome", "refused", rule), Expected("errno", "ENXIO", rule))
        kept = expect_change(machine, before, before)
        return Prediction(step.kind, (*refused, *_expect_region(region), *kept))
    device.driver = None
    region.resize(device, 0)
    if _stays(device):
        stays = Refused(RULES["dyn.first-stays"], "EBUSY", "EBUSY", "it is device 0")
        outcome = stays.expected()
    else:
        region.delete(device)
        outcome = (Expected("outcome", "destroyed", RULES["dyn.destroyed"]),)
    returned = expect_change(machine, before, DeviceCost())
    return Prediction(step.kind, (*outcome, *_expect_region(region), *returned))


def _stays(device: DaxDevice) -> bool:
    """Whether a device cannot be deleted: a region is never without one."""
    return device.id == 0


def _in_static_region(state: GuestState, kind: str, kernel_errno: str, errno: str) -> Prediction:
    """The kernel's answer where the only device is a pmem namespace's."""
    lacking = why_no_mode(state.machine, "devdax")
    if lacking is not None:
        return Prediction(kind, (), lacking)
    refused = Refused(RULES["dyn.static"], kernel_errno, errno, "a pmem namespace's region")
    return Prediction(kind, refused.expected())


def _check_no_ram(kind: str, device: DaxDevice, refused: str) -> None:
    """Memory in use would stay online when its driver is taken away, until the next boot."""
    if device.driver == "kmem":
        raise UserError(
            f"{kind}: dax{device.region}.{device.id} is RAM at this point",
            field="device",
            hint=f"reconfigure-device with mode: devdax before it; or {refused}, to be refused",
        )


def _expect_memory(
    machine: Machine, before: DeviceCost, after: DeviceCost, *, bound: bool
) -> tuple[Expected, ...]:
    initialised = after.initialised_pages if bound else 0
    return (
        *expect_initialised_pages(machine, initialised),
        *expect_change(machine, before, after),
    )
