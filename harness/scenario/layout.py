"""A scenario's layout for one target, held against what the machine would take.

Every rule here is one that QEMU or firmware enforces late, with other words, or not at
all. Sources: QEMU hw/ppc/spapr_nvdimm.c (size, label, uuid), hw/mem/memory-device.c
(addresses), hw/mem/nvdimm.c (label area, alignment); drivers/nvdimm/region_devs.c
(MEMREMAP_COMPAT_ALIGN_MAX) for the 16 MiB of a start address.
"""

from __future__ import annotations

import uuid

from harness.records import Layout, PmemDevice
from harness.scenario.layout_reader import LayoutReader, Resolve
from harness.scenario.schema import LayoutTemplate, PmemTemplate, Template
from harness.scenario.soft_reserved import resolve_soft_reserved
from harness.target import PmemMachine, Target
from harness.units import align_up, format_size
from harness.yaml_document import Document, Location

GIB = 1 << 30
PLAIN_RAM = "2G"
# Kernels of 6.1 for arm64 and s390x boot in that, and not in 28M; that for x86_64 wants 56M.
_LEAST_RAM = 32 << 20
MOST_NODES = 8
"""Kernels are built for that many at least (NODES_SHIFT)."""

# A backing file must have whole pages (QEMU system/physmem.c, qemu_ram_alloc_from_fd).
_LABEL_GRANULE = 4096

_NAMESPACE = uuid.UUID("9b2d9e0c-8d0e-4c1e-9f57-0c6a51a0d2f1")


def resolve_layout(
    template: LayoutTemplate, target: Target, document: Document, resolve: Resolve
) -> Layout:
    """The layout with every size and address filled in. Raises UserError with line and field.

    ``resolve`` puts parameters in. A target without pmem, or without soft-reserved memory,
    gets none: the model then says what is missing and why.
    """
    reader = LayoutReader(document, resolve)
    nodes = _nodes(reader, template, target)
    value = PLAIN_RAM if template.ram is None else template.ram
    ram = sum(nodes) if nodes else _ram(reader, value, target)
    set_aside = resolve_soft_reserved(reader, template, target, ram)
    devices = _pmem(reader, template, target, ram, nodes)
    idle = template.region_idle and bool(set_aside)
    return Layout(ram, template.cpus, devices, nodes, set_aside, idle)


def _pmem(
    reader: LayoutReader,
    template: LayoutTemplate,
    target: Target,
    ram: int,
    nodes: tuple[int, ...],
) -> tuple[PmemDevice, ...]:
    """Every device, moved up where the machine does so with all of them."""
    machine, document = target.pmem, reader.document
    if machine is None:
        return ()
    if len(template.pmem) > machine.max_devices:
        message = f"{len(template.pmem)} devices; {target.name} takes {machine.max_devices}"
        raise document.error(("layout", "pmem", machine.max_devices), message)
    for index, device in enumerate(template.pmem):
        _check_node(document, device, index, nodes)
    devices = _place(reader, template, target, machine, first_address(target, machine, ram))
    moved = machine.moved
    if moved and any(device.start + device.size_bytes > moved.above for device in devices):
        devices = _place(reader, template, target, machine, moved.to)
    return tuple(devices)


def _place(
    reader: LayoutReader, template: LayoutTemplate, target: Target, machine: PmemMachine, first: int
) -> list[PmemDevice]:
    """Every device, from ``first`` on where it names no address of its own."""
    devices: list[PmemDevice] = []
    free = first
    for index, device in enumerate(template.pmem):
        devices.append(_device(reader, target, machine, device, index, first, free))
        free = align_up(devices[-1].start + devices[-1].size_bytes, machine.start_granule)
        _check_overlap(reader.document, devices)
    return devices


def _ram(reader: LayoutReader, value: Template, target: Target) -> int:
    granule = target.qemu.ram_granule
    why = f"{format_size(granule)}, which {target.name} wants of RAM"
    ram = reader.multiple(value, granule, why, ("layout", "ram"))
    if ram < _LEAST_RAM:
        message = f"{format_size(ram)} of RAM hold no kernel with its initrd"
        raise reader.document.error(("layout", "ram"), message, f"{PLAIN_RAM}, as without ram")
    return ram


def _nodes(reader: LayoutReader, template: LayoutTemplate, target: Target) -> tuple[int, ...]:
    """RAM of each node, which all but the first may lack.

    QEMU adds it up itself, and s390x machines know no nodes at all.
    """
    if not template.nodes:
        return ()
    at: Location = ("layout", "nodes")
    if template.ram is not None:
        message = "ram is the sum of what the nodes have"
        raise reader.document.error(("layout", "ram"), message, "no ram beside nodes")
    if not target.qemu.numa:
        hint = "targets: those with nodes, in the scenario's list"
        raise reader.document.error(at, f"{target.name} has no memory nodes", hint)
    if len(template.nodes) > MOST_NODES:
        message = f"{len(template.nodes)} nodes; a guest takes {MOST_NODES}"
        raise reader.document.error((*at, MOST_NODES), message)
    # x86 throws away nodes that do not end at a section (numa_memblks, "rejecting NUMA config").
    granule = max(target.qemu.ram_granule, target.mmu.section_size)
    why = f"{format_size(granule)}, which {target.name} wants of a node"
    return tuple(
        0
        if index and reader.size(value, (*at, index)) == 0
        else reader.multiple(value, granule, why, (*at, index))
        for index, value in enumerate(template.nodes)
    )


def _check_node(
    document: Document, device: PmemTemplate, index: int, nodes: tuple[int, ...]
) -> None:
    """QEMU takes a device's node without any nodes, and then says nothing of it to a guest."""
    if device.node is None or device.node < len(nodes):
        return
    at: Location = ("layout", "pmem", index, "node")
    if not nodes:
        raise document.error(at, "the layout has no nodes", "nodes: [1G, 1G] in the layout")
    hint = f"0 to {len(nodes) - 1}"
    raise document.error(at, f"node {device.node} is none of the layout's {len(nodes)}", hint)


def first_address(target: Target, machine: PmemMachine, ram_bytes: int) -> int:
    """The lowest address that a device gets: above RAM, on a gigabyte, as QEMU has it."""
    end = target.qemu.ram_base + ram_bytes
    if machine.low_ram_limit is not None and ram_bytes >= machine.low_ram_limit:
        end = 4 * GIB + ram_bytes
    return max(machine.start, align_up(end, GIB))


def _device(
    reader: LayoutReader,
    target: Target,
    machine: PmemMachine,
    template: PmemTemplate,
    index: int,
    first: int,
    free: int,
) -> PmemDevice:
    at: Location = ("layout", "pmem", index)
    why = f"{format_size(machine.granule)}, which {target.name} wants of an nvdimm"
    size = reader.multiple(template.size, machine.granule, why, (*at, "size"))
    label = machine.label_default
    if template.label is not None:
        label = reader.size(template.label, (*at, "label"))
    if label < machine.label_minimum:
        message = f"{format_size(label)} is too small for a label area"
        raise reader.document.error((*at, "label"), message, format_size(machine.label_minimum))
    if template.label is not None:
        why = f"{format_size(_LABEL_GRANULE)}, which QEMU wants of a label area"
        label = reader.multiple(template.label, _LABEL_GRANULE, why, (*at, "label"))
    start = free
    if template.at is not None:
        why = f"{format_size(machine.start_granule)}, which a namespace's start must be"
        start = reader.multiple(template.at, machine.start_granule, why, (*at, "at"))
    if start < first:
        message = f"{start:#x} is RAM or reserved on {target.name}"
        raise reader.document.error((*at, "at"), message, f"{first:#x} or above")
    if start + size > 1 << machine.address_bits:
        message = (
            f"ends at {start + size:#x}, above the {machine.address_bits} bits of physical "
            f"address that {target.name} has"
        )
        field = "at" if template.at is not None else "size"
        raise reader.document.error(
            (*at, field), message, f"an end of {1 << machine.address_bits:#x}"
        )
    identity = str(uuid.uuid5(_NAMESPACE, f"pmem{index}"))
    return PmemDevice(size, start, label, identity, template.node)


def _check_overlap(document: Document, devices: list[PmemDevice]) -> None:
    *others, last = devices
    for index, other in enumerate(others):
        if (
            last.start < other.start + other.size_bytes
            and other.start < last.start + last.size_bytes
        ):
            end = other.start + other.size_bytes
            raise document.error(
                ("layout", "pmem", len(others), "at"),
                f"overlaps device {index}, which ends at {end:#x}",
                f"{end:#x}",
            )
