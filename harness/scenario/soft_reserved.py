"""RAM that a layout sets aside for device-dax, held against where the target has RAM.

The kernel would take any range: what is no RAM it leaves as it is, and what holds the kernel
itself it cannot give up (arch/x86/kernel/e820.c, parse_memmap_one).
"""

from __future__ import annotations

from harness.records import SoftReserved
from harness.scenario.layout_reader import LayoutReader
from harness.scenario.schema import LayoutTemplate, SoftReservedTemplate
from harness.target import SoftReservedMemory, Target
from harness.units import format_size
from harness.yaml_document import Location


def resolve_soft_reserved(
    reader: LayoutReader, template: LayoutTemplate, target: Target, ram: int
) -> tuple[SoftReserved, ...]:
    """Every range; one without an address follows the one before. Raises UserError.

    A target that cannot have any gets none.
    """
    if template.region_idle and not template.soft_reserved:
        message = "the layout has no soft_reserved memory, whose regions could be idle"
        raise reader.document.error(("layout", "region_idle"), message)
    machine = target.soft_reserved
    if machine is None:
        return ()
    parts: list[SoftReserved] = []
    free = machine.start
    for index, part in enumerate(template.soft_reserved):
        parts.append(_part(reader, machine, part, index, free, target, ram))
        free = parts[-1].start + parts[-1].size_bytes
        _check_overlap(reader, parts)
    return tuple(parts)


def _part(
    reader: LayoutReader,
    machine: SoftReservedMemory,
    template: SoftReservedTemplate,
    index: int,
    free: int,
    target: Target,
    ram: int,
) -> SoftReserved:
    at: Location = ("layout", "soft_reserved", index)
    why = f"{format_size(machine.granule)}, which {target.name} wants of soft-reserved memory"
    size = reader.multiple(template.size, machine.granule, why, (*at, "size"))
    start = free
    if template.at is not None:
        start = reader.multiple(template.at, machine.granule, why, (*at, "at"))
    if start < machine.start:
        message = f"{start:#x} may hold the kernel or firmware on {target.name}"
        raise reader.document.error((*at, "at"), message, f"{machine.start:#x} or above")
    end = start + size
    there = ram - machine.low_ram if ram >= machine.split else 0
    if end > machine.start + there:
        wanted = max(machine.split, machine.low_ram + end - machine.start)
        raise reader.document.error(
            (*at, "size" if template.at is None else "at"),
            f"ends at {end:#x}, but of {format_size(ram)} of RAM {target.name} has"
            f" {format_size(there)} from {machine.start:#x} on",
            f"ram: {format_size(wanted)}",
        )
    return SoftReserved(size, start)


def _check_overlap(reader: LayoutReader, parts: list[SoftReserved]) -> None:
    *others, last = parts
    for index, other in enumerate(others):
        end = other.start + other.size_bytes
        if last.start < end and other.start < last.start + last.size_bytes:
            at: Location = ("layout", "soft_reserved", len(others), "at")
            message = f"overlaps range {index}, which ends at {end:#x}"
            raise reader.document.error(at, message, f"{end:#x}")
