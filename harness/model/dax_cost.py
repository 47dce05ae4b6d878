"""What struct pages of a device of soft-reserved memory cost: RAM, range by range."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.cost import cost_of_span, expect_counted, expect_ram
from harness.model.dax_region import DaxDevice
from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.model.vmemmap_ram import Taken
from harness.records import Expected, Rule


@dataclass(frozen=True, slots=True)
class DeviceCost:
    """Struct pages of one device: their RAM, what that may take besides, what is counted."""

    ram_bytes: int = 0
    overhead_bytes: int = 0
    counted_pages: int = 0
    initialised_pages: int = 0
    rule: Rule | None = None
    because: str = ""


def cost_of_device(machine: Machine, device: DaxDevice) -> DeviceCost:
    """What a device costs while device_dax drives it; nothing without."""
    if device.driver != "device_dax":
        return DeviceCost()
    ram = overhead = counted = 0
    taken = Taken((), RULES["vmemmap.returned"], "no range")
    for span in device.ranges:
        cost = cost_of_span(machine, span, device.align)
        taken = cost.taken
        ram += taken.ram_bytes
        overhead += cost.overhead_bytes(machine)
        counted += cost.counted_pages
    pages = device.size_bytes // machine.page
    why = f"{len(device.ranges)} ranges, the last: {taken.because}"
    return DeviceCost(ram, overhead, counted, pages, taken.rule, why)


def expect_change(machine: Machine, before: DeviceCost, after: DeviceCost) -> tuple[Expected, ...]:
    """How it shows that a device costs something else than before."""
    low = after.ram_bytes - before.ram_bytes - before.overhead_bytes
    high = after.ram_bytes - before.ram_bytes + after.overhead_bytes
    rule = after.rule or RULES["vmemmap.returned"]
    why = f"{before.ram_bytes:#x} before, {after.ram_bytes:#x} after; {after.because}"
    change = after.counted_pages - before.counted_pages
    return (
        *expect_ram(machine, "ram_bytes", low, high, Taken((), rule, why)),
        *expect_counted(machine, change, why),
    )


def expect_initialised_pages(machine: Machine, pages: int) -> tuple[Expected, ...]:
    """The sum of what memmap_init_zone_device says of each range."""
    if not machine.kernel.has("DYNAMIC_DEBUG"):
        return ()
    return (Expected("memmap_pages", pages, RULES["dyn.initialised"]),)
