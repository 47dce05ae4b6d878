"""Soft-reserved memory as a new guest shows it: dynamic dax regions, and who has them."""

from __future__ import annotations

from harness.model.dax_region import DaxDevice, DaxRegion, Driver
from harness.model.geometry import Span
from harness.model.machine import Machine
from harness.model.ram import Ram
from harness.records import SoftReserved
from harness.target import SoftReservedMemory


def dax_regions(machine: Machine) -> tuple[DaxRegion, ...]:
    """Every region by ascending address, with the device that it starts with."""
    parts = sorted(machine.layout.soft_reserved, key=lambda part: part.start)
    return tuple(_region(machine, index, part) for index, part in enumerate(parts))


def _region(machine: Machine, index: int, part: SoftReserved) -> DaxRegion:
    span = Span(part.start, part.start + part.size_bytes)
    region = DaxRegion(index, span, machine.pmd, node_of(machine, part))
    device = region.devices[0] = DaxDevice(index, 0, region.align)
    if not machine.layout.region_idle:
        device.ranges.append(span)
        device.driver = _first_driver(machine, region)
        device.ram = Ram.added(machine) if device.driver == "kmem" else None
    return region


def _first_driver(machine: Machine, region: DaxRegion) -> Driver | None:
    """Who takes a region's first device; kmem refuses one that is on no node."""
    if not (machine.gives_hmem_to_kmem and machine.kernel.has("DEV_DAX_KMEM")):
        return "device_dax"
    return None if region.node is None else "kmem"


def node_of(machine: Machine, part: SoftReserved) -> int | None:
    """The node of soft-reserved memory; None for memory that no table and no RAM reaches."""
    where = machine.target.soft_reserved
    if where is None:
        return None
    if machine.layout.nodes and machine.reads_nodes:
        return _node_with(machine, where, part)
    if machine.layout.pmem and machine.reads_nodes:  # QEMU then makes a table with one node
        return 0
    return 0 if part.start < _end_of_ram(machine, where) else None


def _node_with(machine: Machine, where: SoftReservedMemory, part: SoftReserved) -> int:
    """QEMU deals RAM out to nodes in their order, and goes on above ``low_ram``."""
    offset, node = part.start - where.start + where.low_ram, 0
    while offset >= machine.layout.nodes[node]:
        offset, node = offset - machine.layout.nodes[node], node + 1
    return node


def _end_of_ram(machine: Machine, where: SoftReservedMemory) -> int:
    """The end of what is still RAM: soft-reserved memory at the top does not count."""
    end = where.start + machine.layout.ram_bytes - where.low_ram
    for part in sorted(machine.layout.soft_reserved, key=lambda p: p.start, reverse=True):
        if part.start + part.size_bytes == end:
            end = part.start
    return end
