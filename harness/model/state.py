"""What the steps so far left in the guest: namespaces, devices, file systems, in whose order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import UserError
from harness.model.dax_region import DaxDevice, DaxRegion
from harness.model.geometry import InfoBlock, Span
from harness.model.machine import Machine
from harness.model.ram import Ram
from harness.model.soft_reserved import dax_regions
from harness.records import PmemDevice
from harness.scenario.places import check_dax_region
from harness.scenario.step import DaxName, DeviceStep
from harness.scenario.steps import DataMemory, FilesystemType, Map, Mode
from harness.units import format_size


class Devdax(Protocol):
    """What is mapped as a device-dax: a devdax namespace, or a device of soft-reserved memory.

    ``start`` is where its first compound page begins, ``data`` what its offsets stand for.
    """

    @property
    def mode(self) -> Mode: ...
    @property
    def map(self) -> Map | None: ...
    @property
    def start(self) -> int: ...
    @property
    def align(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def data(self) -> tuple[Span, ...]: ...


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace as it must come out; ``size_bytes`` is what its device offers.

    ``raw_bytes`` is what it holds of the region. ``info`` is there for fsdax and devdax,
    ``sector_bytes`` for sector; ``block_bytes`` are the logical blocks of what has a block device.
    ``counted_pages`` is what its struct pages count for,
    ``overhead_bytes`` what they may take besides.
    """

    mode: Mode
    map: Map | None
    start: int
    raw_bytes: int
    size_bytes: int
    align: int
    info: InfoBlock | None = None
    sector_bytes: int | None = None
    block_bytes: int = 512
    counted_pages: int = 0
    overhead_bytes: int = 0

    @property
    def compound(self) -> int:
        """Size of a compound page: devdax makes one of each block that it maps."""
        return self.align if self.mode == "devdax" else 0

    @property
    def data(self) -> tuple[Span, ...]:
        """What the device offers: all behind the info block and its struct pages."""
        start = self.start + (self.info.data_offset if self.info else 0)
        return (Span(start, start + self.size_bytes),)

    @property
    def mapped(self) -> Span | None:
        """The physical addresses that have struct pages: all but the cut end.

        None without any: raw, sector, and a devdax of size 0, which no driver takes.
        """
        if self.info is None or (self.mode == "devdax" and self.size_bytes == 0):
            return None
        return Span(self.start, self.start + self.raw_bytes - self.info.end_trunc)


@dataclass(frozen=True, slots=True)
class Block:
    """RAM that holds struct pages, and the physical addresses that it stands for.

    It is given back once nothing of what it stands for is mapped any more.
    """

    covered: Span
    ram_bytes: int


@dataclass(frozen=True, slots=True)
class Mounted:
    """A file system with one file; ``dax`` tells whether the file is mapped directly.

    ``device`` is what it was made on. ``sparse`` is a file that was truncated, and may be
    full of holes since. ``huge`` is one that was laid out in whole PMDs.
    """

    device: Namespace
    type: FilesystemType
    file_bytes: int
    dax: bool
    sparse: bool = False
    huge: bool = False


@dataclass(slots=True)
class RegionState:
    """What the steps so far left in one region; namespaces lie from its start on.

    ``broken`` are the index blocks of its labels in whose place is none, until a label is
    written: that writes the broken one first. They ``differ`` where one has a namespace that was
    taken away. ``system_ram`` is the devdax namespace that the kmem driver was given, ``ram`` what
    the driver has of it. ``unmounted`` is what a file system holds that no longer is mounted.
    ``written`` is how many bytes of a kind of memory hold the pattern of ``write-read``.
    ``unlabelled`` is a region whose labels are lost, and one namespace is all of it.
    ``seed_aligns`` are alignments that seed devices were left with by namespaces which the kernel
    refused.
    """

    device: PmemDevice
    namespaces: list[Namespace] = field(default_factory=list)
    broken: frozenset[int] = frozenset()
    differ: bool = False
    files: Mounted | None = None
    system_ram: Namespace | None = None
    ram: Ram | None = None
    unmounted: Mounted | None = None
    written: dict[DataMemory, int] = field(default_factory=dict)
    unlabelled: bool = False
    seed_aligns: dict[Mode, int] = field(default_factory=dict)

    @property
    def used_bytes(self) -> int:
        """What labels give to namespaces."""
        return 0 if self.unlabelled else sum(namespace.raw_bytes for namespace in self.namespaces)

    @property
    def devdax(self) -> Namespace | None:
        """The devdax namespace made last, unless it is RAM."""
        last = next((n for n in reversed(self.namespaces) if n.mode == "devdax"), None)
        return None if last is self.system_ram else last

    @property
    def block(self) -> Namespace | None:
        """The namespace with a block device made last."""
        return next((n for n in reversed(self.namespaces) if n.mode != "devdax"), None)


def _never_written(machine: Machine) -> frozenset[int]:
    """Index blocks that a new device has none in the place of: papr_scm's has only zeros there.

    The kernel makes both when it writes the first label (drivers/nvdimm/label.c init_labels).
    """
    pmem = machine.target.pmem
    return frozenset({0, 1} if pmem and pmem.starts_labelled else ())


class GuestState:
    """One guest while its steps are predicted."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        broken = _never_written(machine)
        self.regions = tuple(RegionState(device, broken=broken) for device in machine.regions)
        self.blocks: list[Block] = []
        self.dax_regions = dax_regions(machine)

    def region(self, index: int) -> RegionState:
        """One region. Raises UserError where the layout has no such device."""
        self.machine.region(index)
        return self.regions[index]

    def dax_region(self, index: int) -> DaxRegion:
        """One region of soft-reserved memory. Raises UserError where the layout has none."""
        check_dax_region(index, len(self.dax_regions), "device")
        return self.dax_regions[index]

    def dax_device(self, name: DaxName) -> DaxDevice:
        """A device by its name. Raises UserError where there is none at this point."""
        region = self.dax_region(name.region)
        if name.id in region.devices:
            return region.devices[name.id]
        there = ", ".join(f"dax{name.region}.{id_}" for id_ in sorted(region.devices))
        raise UserError(f"no {name} at this point", field="device", hint=there)

    def devdax(self, step: DeviceStep) -> Devdax | None:
        """What a step maps as a device-dax; None where no driver offers it.

        Raises UserError for a device whose blocks are none of its alignment.
        """
        if step.device is None:
            return self.region(step.region).devdax
        device = self.dax_region(step.device.region).devices.get(step.device.id)
        if device is None or device.driver != "device_dax":
            return None
        if any(span.start % device.align or span.size % device.align for span in device.ranges):
            raise UserError(
                f"the kernel maps {step.device} in blocks of {format_size(device.align)}, which"
                " its ranges do not start or end with",
                field="device",
                hint="an alignment that all of its ranges keep",
            )
        return device

    @property
    def struct_page_bytes(self) -> int:
        """RAM that namespaces' struct pages take."""
        return sum(block.ram_bytes for block in self.blocks)

    def spans(self) -> tuple[Span, ...]:
        """What of the physical memory has struct pages, RAM apart."""
        found = (n.mapped for region in self.regions for n in region.namespaces)
        return tuple(span for span in found if span is not None)

    def forget_data(self) -> None:
        """Nobody knows any more what the memory of namespaces holds."""
        for region in self.regions:
            region.written.clear()

    def release(self) -> int:
        """Give back the blocks that stand for nothing any more; their bytes."""
        spans = self.spans()
        kept = [block for block in self.blocks if any(block.covered.meets(s) for s in spans)]
        before, self.blocks = self.struct_page_bytes, kept
        return before - self.struct_page_bytes
