"""Every step a scenario can hold: its name in YAML, its fields, units and defaults.

A step is data. The guest side does it (``harness/guest/steps``), the model predicts it
(``harness/model``), and neither knows the other: the names of the values that a step
shows, listed under "Shows" in its docstring, are all that they share. Regions are counted
by ascending physical address, from 0. Steps on one subject have a file of their own beside
this one: files, mappings, devices of soft-reserved memory, devices as RAM, RDMA, ndctl's own tests,
the order of life.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

import pydantic

from harness.errors import BadValue
from harness.scenario.dax_steps import (
    DAX_STEPS,
    CreateDevice,
    DaxRegions,
    DestroyDevice,
    ResizeDevice,
)
from harness.scenario.file_steps import FILE_STEPS, FileIo
from harness.scenario.kconfig_step import Kconfig
from harness.scenario.kmem_steps import KMEM_STEPS, KmemState, ReconfigureDevice
from harness.scenario.life_steps import LIFE_STEPS, PowerCycle, ReadOnly, TakeAway
from harness.scenario.mapping_steps import MAPPING_STEPS, Fault, HwPoison, Mmap, PageMetadata
from harness.scenario.ndctl_steps import NDCTL_STEPS, NdctlTest
from harness.scenario.rdma_steps import RDMA_STEPS, RdmaRegister
from harness.scenario.step import DeviceStep, Index, PositiveSize, Step, Whole
from harness.units import align_up, format_size

__all__ = [
    "ABSENCE",
    "STEPS",
    "Churn",
    "CreateDevice",
    "CreateNamespace",
    "DataMemory",
    "DaxRegions",
    "DestroyDevice",
    "DestroyNamespaces",
    "Fault",
    "FileIo",
    "Filesystem",
    "FilesystemType",
    "GupCommand",
    "GupTest",
    "HwPoison",
    "Kconfig",
    "KmemState",
    "Map",
    "Memory",
    "Mmap",
    "Mode",
    "NdctlTest",
    "PageMetadata",
    "PowerCycle",
    "RdmaRegister",
    "ReadBack",
    "ReadOnly",
    "ReconfigureDevice",
    "Regions",
    "ResizeDevice",
    "Step",
    "TakeAway",
    "WriteRead",
]

_MIB = 1 << 20
_INT_MAX = (1 << 31) - 1

Mode: TypeAlias = Literal["raw", "sector", "fsdax", "devdax"]
Map: TypeAlias = Literal["mem", "dev"]
GupCommand: TypeAlias = Literal["get-fast", "get", "pin-fast", "pin", "longterm", "longterm-fast"]
Memory: TypeAlias = Literal["anon", "thp", "hugetlb", "shmem", "devdax", "fsdax"]
FilesystemType: TypeAlias = Literal["ext4", "xfs"]
DataMemory: TypeAlias = Literal["block", "fsdax", "devdax"]


class Features(Step):
    """Look for what this project tests: is it there at all?

    Shows ``pmem``, ``fsdax``, ``devdax``, ``kmem``, ``hmem`` and ``gup_test``: whether a
    region, a seed device of that mode, the driver or the debugfs file exists.
    """

    kind: ClassVar[str] = "features"


class MemoryModel(Step):
    """Read how the kernel arranged the guest's memory.

    Shows ``nodes`` (those online, as in ``0-1``), ``nodes_with_memory`` and
    ``nodes_with_normal_memory`` (those of them that have any in use, and any that the kernel
    may have for itself), ``memory_block_bytes`` (the unit of memory hotplug) and, on powerpc's
    hash MMU, ``linear_page_bytes`` and ``vmemmap_page_bytes``: the pages that memory and struct
    pages are mapped by.
    """

    kind: ClassVar[str] = "memory-model"


class Regions(Step):
    """Read what the kernel made of the layout: regions, their sizes, starts, alignments.

    Shows ``regions`` (their number) and for each ``region<i>.size_bytes``,
    ``region<i>.start``, ``region<i>.available_bytes``, ``region<i>.align_bytes`` (the unit
    that its space is given out in), ``region<i>.supported_alignments`` (bytes, ascending,
    spaces between; of its devdax seed device), ``region<i>.default_align`` (of the same),
    the memory nodes ``region<i>.numa_node`` (the nearest that is online) and
    ``region<i>.target_node`` (its own), and ``region<i>.set_cookie`` (which labels are held
    against).
    """

    kind: ClassVar[str] = "regions"


class CreateNamespace(Step):
    """``ndctl create-namespace`` in one region.

    ``size`` and ``align`` are bytes; without them ndctl takes all there is and its own
    default. ndctl refuses a ``size`` that is no multiple of ``align``, or of the unit in which the
    region gives out space, whatever ``align`` is: 16M, or a page in a region below 16M.
    ``map`` is where struct pages live; ndctl's default is ``dev``.

    Shows ``outcome`` (``created`` or ``refused``). Created: ``mode``, ``map`` (fsdax and
    devdax), ``size_bytes`` as ndctl prints it, ``align_bytes`` (fsdax and devdax),
    ``sector_size`` (sector), ``resource`` and ``data_offset`` (fsdax and devdax: first
    usable physical address, and its distance from the namespace's start), ``device``
    (``chardev`` or ``blockdev``) and ``device_bytes``, its size in sysfs; ``block_bytes``, the
    logical blocks of a ``blockdev``; ``memmap_pages``,
    the struct pages that were initialised, ``ram_bytes`` and ``node<i>.ram_bytes``, the RAM
    that went, and ``memmap_counted_pages``, the pages that the kernel counted for struct
    pages (None before 6.11). Refused: ``errno`` (its name) and ``message``, ndctl's own
    words.
    """

    kind: ClassVar[str] = "create-namespace"
    region: Index = 0
    mode: Mode
    map: Map | None = None
    align: PositiveSize | None = None
    size: PositiveSize | None = None
    sector_size: PositiveSize | None = None


class Churn(CreateNamespace):
    """Create and destroy one namespace again and again; nothing may be left of it.

    ``times`` is how often, beside a first time that warms caches. The other fields are those
    of ``create-namespace``.

    Shows ``made`` (how often it was there), ``namespaces_left``, ``available_bytes``, and what
    all times together kept of memory: ``ram_bytes``, ``node<i>.ram_bytes``,
    ``memmap_counted_pages`` and ``direct_map_bytes`` (of meminfo's DirectMap lines together,
    where there are any). Where ndctl refuses, ``errno`` and ``message`` as well.
    """

    kind: ClassVar[str] = "churn"
    times: Annotated[Whole, pydantic.Field(ge=1, le=1000)] = 20


class DestroyNamespaces(Step):
    """Destroy every namespace of one region; the region must be empty afterwards.

    Shows ``outcome`` (``destroyed``, or ``refused`` with ``errno`` and ``message``),
    ``namespaces_left``, ``available_bytes``, and what came back of memory as negative
    ``ram_bytes``, ``node<i>.ram_bytes`` and ``memmap_counted_pages``.
    """

    kind: ClassVar[str] = "destroy-namespaces"
    region: Index = 0


class GupTest(DeviceStep):
    """The kernel's ``gup_test`` on one kind of memory.

    ``longterm-fast`` is the call of drivers that keep pages for DMA, RDMA's among them:
    ``pin-fast`` with FOLL_LONGTERM.

    ``size`` is bytes (whole MiB); ``pages_per_call`` is gup_test's -n. ``shared`` maps
    with MAP_SHARED; ``huge`` false asks for MADV_NOHUGEPAGE. ``region`` or ``device`` is
    where the devdax or fsdax memory lives. ``anon`` and ``thp`` are private, whatever ``shared``.
    gup_test touches all that it maps, and dies of what is not there; with ``touch`` false
    (devdax and fsdax alone) daxprobe makes its ioctl on memory that GUP is left to fault in.

    Shows ``outcome`` (``ran``, ``open-refused``, ``mmap-refused``, ``ioctl-refused``,
    ``killed`` or ``no-device``), ``errno`` (of what was refused), ``signal`` (name, of a killed
    run), ``results`` (result lines), ``truncated_bytes`` (what gup_test prints after
    "truncated", None where it prints nothing), ``pinned_pages`` and ``unpinned_pages``
    (base pages over all repeats, from /proc/vmstat), ``huge_page_bytes`` (hugetlb),
    ``thp_faults`` (thp), the times ``get_us`` and ``put_us`` of the last repeat in
    microseconds, and ``get_us_each`` and ``put_us_each`` of every one, spaces between.
    """

    kind: ClassVar[str] = "gup-test"
    command: GupCommand
    memory: Memory
    size: PositiveSize = 64 << 20
    pages_per_call: Annotated[Whole, pydantic.Field(ge=1, le=_INT_MAX)] = 512
    write: bool = True
    shared: bool = True
    huge: bool = True
    repeats: Annotated[Whole, pydantic.Field(ge=1, le=100)] = 1
    touch: bool = True

    @pydantic.field_validator("size")
    @classmethod
    def _in_mib(cls, size: int) -> int:
        if size % _MIB:
            whole = format_size(align_up(size, _MIB))
            raise BadValue(f"gup_test counts in MiB, not {format_size(size)}", whole)
        return size


class Filesystem(Step):
    """Make a file system on the region's block device and mount it with ``-o dax``.

    A file of ``file_size`` bytes is written there for later steps to map. The block size
    is the guest's page size, which DAX needs. ``make`` false mounts what an earlier step made.
    With ``huge`` the file is laid out in whole PMDs, so that PMD entries map it where the
    namespace is aligned to them; without it that is the file system's to decide.

    Shows ``outcome`` (``mounted`` or ``refused``), ``dax`` (whether the file is mapped
    directly: the mount's option), ``block_bytes`` and ``file_bytes``.
    """

    kind: ClassVar[str] = "filesystem"
    type: FilesystemType
    region: Index = 0
    file_size: PositiveSize = 64 << 20
    make: bool = True
    huge: bool = False


_SECTOR = 512


class WriteRead(Step):
    """Write a pattern to the region's memory, drop caches, and read it back.

    ``size`` is bytes, from the start of the memory: the ``block`` device, which is written to
    as such, or the DAX file or device-dax, which are mapped. What is mapped is first reached
    by its last page, and read three times: as it is, while mprotect() has taken the right to
    write away, and by a debugger's way, /proc/self/mem. With ``hole`` a file has a hole in that
    place first, which its mapping reads, and is then written to by write() below the mapping;
    and before that one that ends in the middle, within a page.

    Shows ``outcome`` (``identical``, ``differs``, ``refused``, or ``no-device`` where there is
    nothing to map), ``bytes`` (read back by each way), of what is mapped ``protected_signal``
    (of a write right after that mprotect()) and with ``hole`` ``kept_bytes`` (behind the end of
    the first hole, as they were).
    """

    kind: ClassVar[str] = "write-read"
    memory: DataMemory = "block"
    region: Index = 0
    size: PositiveSize = 8 << 20
    hole: bool = False

    @property
    def hole_end(self) -> int:
        """Where the first of the two holes ends, bytes from the start."""
        return self.size // 2 + _SECTOR


class ReadBack(WriteRead):
    """Read what ``write-read`` wrote to the same memory, as much or more, and write nothing.

    Between the two no other step may write to the memory itself, or take it away.

    Shows what ``write-read`` does of what it reads.
    """

    kind: ClassVar[str] = "read-back"


_KINDS: tuple[type[Step], ...] = (
    Kconfig,
    Features,
    MemoryModel,
    Regions,
    CreateNamespace,
    Churn,
    DestroyNamespaces,
    *KMEM_STEPS,
    GupTest,
    Filesystem,
    WriteRead,
    ReadBack,
    *FILE_STEPS,
    *MAPPING_STEPS,
    *LIFE_STEPS,
    *RDMA_STEPS,
    *NDCTL_STEPS,
    *DAX_STEPS,
)
STEPS: dict[str, type[Step]] = {step.kind: step for step in _KINDS}

ABSENCE: tuple[Step, ...] = (Regions(), DaxRegions())
"""What a guest is asked instead, where it cannot have what some step needs."""
