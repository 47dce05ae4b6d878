"""Soft-reserved memory as a new guest shows it: dynamic dax regions, and who has them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

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


def ram_of_nodes(machine: Machine) -> dict[int, int]:
    """Bytes of RAM of each node that has any from the start: what is soft-reserved is none of it.

    A node of nothing else is none to the kernel, until memory of it is onlined (mm/numa_memblks.c,
    6.1: arch/x86/mm/numa.c, numa_cleanup_meminfo).
    """
    layout, where = machine.layout, machine.target.soft_reserved
    if not (layout.nodes and machine.reads_nodes):
        return {0: layout.ram_bytes - sum(part.size_bytes for part in layout.soft_reserved)}
    parts = [_in_ram(where, part) for part in layout.soft_reserved] if where else []
    left = {
        node: span.size - sum(part.common(span).size for part in parts if part.meets(span))
        for node, span in enumerate(_spans_of_nodes(layout.nodes))
    }
    return {node: size for node, size in left.items() if size}


def _node_with(machine: Machine, where: SoftReservedMemory, part: SoftReserved) -> int:
    start = _in_ram(where, part).start
    spans = enumerate(_spans_of_nodes(machine.layout.nodes))
    return next(node for node, span in spans if span.start <= start < span.end)


def _in_ram(where: SoftReservedMemory, part: SoftReserved) -> Span:
    """Which of the bytes of RAM a part is: the machine goes on above ``low_ram``."""
    start = part.start - where.start + where.low_ram
    return Span(start, start + part.size_bytes)


def _spans_of_nodes(nodes: tuple[int, ...]) -> Iterator[Span]:
    """Which bytes of RAM each node has: QEMU deals it out in their order."""
    for end, size in zip(accumulate(nodes), nodes, strict=True):
        yield Span(end - size, end)


def _end_of_ram(machine: Machine, where: SoftReservedMemory) -> int:
    """The end of what is still RAM: soft-reserved memory at the top does not count."""
    end = where.start + machine.layout.ram_bytes - where.low_ram
    for part in sorted(machine.layout.soft_reserved, key=lambda p: p.start, reverse=True):
        if part.start + part.size_bytes == end:
            end = part.start
    return end
