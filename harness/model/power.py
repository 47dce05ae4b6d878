"""What a guest finds of its namespaces when its power was cut and it boots again."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import UserError
from harness.model.availability import why_no_pmem
from harness.model.cost import MESSAGE_NEEDS, cost_of
from harness.model.machine import Machine
from harness.model.memmap import expect_initialised
from harness.model.namespace import expect_created
from harness.model.regions import expect_available
from harness.model.rules import RULES
from harness.model.soft_reserved import dax_regions
from harness.model.state import GuestState, Namespace, RegionState
from harness.records import Expected, Prediction
from harness.scenario.label_area import OLD_LABEL_BYTES, index_bytes
from harness.scenario.life_steps import LabelPart, PowerCycle

_BROKEN: dict[LabelPart | None, tuple[int, ...]] = {
    None: (),
    "index-0": (0,),
    "index-1": (1,),
    "first-half": (0, 1),
    "second-half": (),
}


def predict_power_cycle(state: GuestState, step: PowerCycle) -> Prediction:
    """A ``power-cycle`` step; namespaces stay, mounts and RAM made of them do not.

    Raises UserError for damage of which it depends on earlier writes what it does.
    """
    lacking = why_no_pmem(state.machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    _damage(state, step)
    for region in state.regions:
        region.unmounted, region.files = region.files or region.unmounted, None
        region.system_ram = region.ram = None
        region.seed_aligns.clear()
    state.dax_regions = dax_regions(state.machine)
    return Prediction(step.kind, tuple(_expect(state)))


def _damage(state: GuestState, step: PowerCycle) -> None:
    """Overwrite what the step says; the next label that is written mends it, and no boot does."""
    region = state.region(step.region)
    broken = region.broken.union(_BROKEN[step.damage])
    if len(broken) == 1 and (region.differ or not region.namespaces):
        raise UserError(
            f"power-cycle: which index block of region {step.region} is the newer one depends on"
            " how often it was written",
            field="damage",
            hint="create-namespace before it: both blocks then have the namespace",
        )
    if len(broken) == 2 and region.broken != broken:
        _lose_labels(state.machine, region)
        state.release()
    region.broken = broken


def _lose_labels(machine: Machine, region: RegionState) -> None:
    """All namespaces of it go; without labels a region of ACPI's NFIT is one raw namespace."""
    region.namespaces = []
    region.files = region.unmounted = None
    region.written.clear()
    pmem = machine.target.pmem
    if pmem is None or pmem.starts_labelled:
        return
    region.unlabelled = True
    device = region.device
    size = device.size_bytes
    region.namespaces = [Namespace("raw", None, device.start, size, size, machine.page)]


def _expect(state: GuestState) -> Iterator[Expected]:
    machine = state.machine
    yield Expected("regions", len(state.regions), RULES["region.count"])
    for index, region in enumerate(state.regions):
        name = f"region{index}"
        if machine.kernel.has(MESSAGE_NEEDS) and _is_looked_for_in_place(region):
            blocks = " ".join(map(str, sorted(region.broken)))
            yield Expected(f"{name}.broken_index_blocks", blocks, RULES["label.checked"])
        yield from _expect_namespaces(machine, name, region)
    if machine.kernel.has(MESSAGE_NEEDS):
        yield _expect_initialised(state)


def _is_looked_for_in_place(region: RegionState) -> bool:
    """Whether labels of 128 bytes, which the kernel looks for first, have index blocks as large.

    Else it says of healthy ones that the second is none, where it would be with those.
    """
    area = region.device.label_bytes
    return index_bytes(area, OLD_LABEL_BYTES) == index_bytes(area)


def _expect_namespaces(machine: Machine, name: str, region: RegionState) -> Iterator[Expected]:
    rule = RULES[("power.namespaces", "label.other-index", "label.lost")[len(region.broken)]]
    listed = [namespace for namespace in region.namespaces if namespace.size_bytes]
    yield Expected(f"{name}.namespaces", len(listed), rule)
    yield expect_available(machine, f"{name}.available_bytes", region)
    for number, namespace in enumerate(listed):
        for expected in expect_created(machine, namespace):
            if expected.name != "outcome":
                because = f"{expected.rule.id}: {expected.because}".removesuffix(": ")
                yield Expected(
                    f"{name}.{number}.{expected.name}", expected.value, rule, "==", because
                )


def _expect_initialised(state: GuestState) -> Expected:
    """The numbers of all messages, for regions are probed in no order."""
    namespaces = [n for region in state.regions for n in region.namespaces]
    costs = [cost_of(state.machine, namespace, ()) for namespace in namespaces]
    found = [expect_initialised(state.machine, c.span, c.altmap) for c in costs if c.span]
    numbers = sorted(e.value for e in found if isinstance(e.value, int))
    why = "; ".join(expected.because for expected in found)
    return Expected("memmap_pages", " ".join(map(str, numbers)), RULES["power.memmap"], "==", why)
