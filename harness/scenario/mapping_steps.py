"""Steps about what user space sees of a mapping: faults, page tables, page metadata, poison.

Like those in ``steps.py``, which lists them among all others.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

import pydantic

from harness.scenario.step import DeviceStep, Index, PositiveSize, Step, Whole
from harness.target import Size

Sharing: TypeAlias = Literal["shared", "private", "sync"]
DaxMemory: TypeAlias = Literal["devdax", "fsdax"]
Advice: TypeAlias = Literal["none", "huge", "nohuge"]

# Memory of no device.
RAM = frozenset({"anon", "shmem"})


class MappingStep(DeviceStep):
    """What steps that map memory have in common.

    ``size`` and ``offset`` are bytes, of the mapping and of its start in the device or
    file; ``region`` or ``device`` is where that lives. ``sharing`` sync is MAP_SHARED_VALIDATE with
    MAP_SYNC; ``anon`` memory is private, whatever it says. ``advice`` is madvise's. With
    ``beside`` a page of other memory is there, 8G behind the mapping's start: a PUD of 16G,
    as ppc64-hash has them, is then not the mapping's alone.
    """

    memory: Literal["anon", "devdax", "fsdax"]
    size: PositiveSize = 64 << 20
    offset: Annotated[Size, pydantic.Field(ge=0)] = 0
    sharing: Sharing = "shared"
    access: Literal["read", "write"] = "read"
    advice: Advice = "none"
    beside: bool = False


class Fault(MappingStep):
    """Map memory and touch each base page of ``length`` bytes from ``first`` on, once.

    ``length`` is by default all the rest. ``writable`` false opens and maps it to be read
    alone; ``fixed`` false lets the kernel choose the address, and ``high`` is at 8T (128G on
    arm64 and riscv64), for which s390x needs page tables of a level more.

    Shows ``outcome`` (``touched``, ``refused`` by mmap, ``signalled``, ``killed`` or
    ``no-device``), ``errno`` (refused), ``signal``, ``code`` (si_code by name) and
    ``fault_offset`` (si_addr, as bytes from the mapping's start) of the access that was
    stopped, ``touched_bytes`` (before that), ``faults`` (taken, minor and major),
    ``bytes_per_fault`` (touched bytes for each fault), ``page_table_bytes`` (growth of VmPTE)
    and ``page_table_bytes_left`` (of that, after munmap), both not predicted of ``high``; with
    ``fixed`` false ``overlaps``, whether the kernel chose an address at which something was
    mapped.
    """

    kind: ClassVar[str] = "fault"
    writable: bool = True
    fixed: bool = True
    high: bool = False
    first: Annotated[Size, pydantic.Field(ge=0)] = 0
    length: PositiveSize | None = None


class Mmap(MappingStep):
    """The whole life of a mapping, ``repeats`` times: mmap, touch, lock, move, fork, end.

    ``collapse``, of anonymous memory alone that is written to, has it touched by base pages and
    then made huge pages of (MADV_COLLAPSE, from 6.1).
    ``lock`` has it locked in memory (mlock) when it was touched, ``move`` moves it to an
    address 4G behind (mremap) and has it touched again.
    ``fork`` makes a child touch it all as well. ``end`` is ``munmap``, ``exit`` (of the
    process, a new one each time) or ``truncate`` (of the file to nothing, while it is
    mapped, then back to its size). With ``split`` one page in the middle of an entry is
    unmapped before that. With ``protect``, of anonymous memory alone, the first process
    writes words that are unlike each other, and before the child writes to them it takes
    its right to write away and gives it back (mprotect).

    Shows ``outcome`` (as ``fault`` does), ``faults`` and ``child_faults`` (of all
    repeats), while it is mapped in one process: ``page_table_bytes`` (growth of VmPTE),
    ``rss_file_bytes`` (of RssFile), ``nr_mapped`` (base pages, of vmstat's nr_mapped) and
    ``pmd_mapped`` (of nr_file_pmdmapped; of nr_anon_transparent_hugepages where that is
    what is mapped); afterwards what is left: ``page_table_bytes_left`` (in the process; not
    after exit), ``nr_mapped_left``, ``pmd_mapped_left`` and ``page_table_pages_left`` (of
    nr_page_table_pages, when all processes are gone); with ``lock`` ``lock_errno`` (None where
    it succeeds), ``locked_bytes`` (growth of VmLck, when it was moved) and, after munmap,
    ``locked_bytes_left``; with ``move`` ``move_errno`` and ``moved_faults`` (of touching it
    where it is now, of all repeats); with ``move`` or the end ``munmap`` ``left_signal`` (of
    an access, right after either, to the last page where it was); ``truncated_signal`` (of an
    access to what is truncated), ``split_errno`` (of that munmap, None where it succeeds),
    ``collapse_errno`` (of that madvise), and, with
    ``protect``, ``protect_errno`` (of mprotect() in the child, None where it succeeds) and
    ``intact_bytes`` (how much the first process finds as it wrote it, when the child is
    gone; of all repeats). Of anonymous memory ``committed_bytes_left`` is what Committed_AS has
    grown by when all is gone.
    """

    kind: ClassVar[str] = "mmap"
    # Within a PUD of 16G, before what is beside the mapping.
    MOVED_BYTES: ClassVar[int] = 4 << 30
    collapse: bool = False
    lock: bool = False
    move: bool = False
    fork: bool = True
    protect: bool = False
    end: Literal["munmap", "exit", "truncate"] = "munmap"
    split: bool = False
    repeats: Annotated[Whole, pydantic.Field(ge=1, le=64)] = 1


class PageMetadata(DeviceStep):
    """``gup_test -c``: what dump_page() says of pages while the whole mapping is held.

    ``pages`` are numbers of base pages in the mapping of ``size`` bytes, which is shared
    and was written to; ``pin`` holds them by pin_user_pages() instead of
    get_user_pages(). With ``also_mapped`` another process has the same mapped, and wrote to
    all of it before.

    Shows ``outcome`` (``dumped``, ``open-refused``, ``mmap-refused`` or ``no-device``) and for
    each page ``page<n>.refcount``, ``page<n>.mapcount`` (both of its folio), ``page<n>.order``,
    ``page<n>.pincount`` (None for a single page, which has no such counter),
    ``page<n>.pfn`` and ``page<n>.index`` (its place in the device or file, in base pages).
    """

    kind: ClassVar[str] = "page-metadata"
    memory: DaxMemory
    size: PositiveSize = 64 << 20
    pages: Annotated[tuple[Index, ...], pydantic.Field(min_length=1, max_length=8)] = (0,)
    pin: bool = False
    also_mapped: bool = False

    @property
    def mappings(self) -> int:
        """How many processes have the pages mapped."""
        return 1 + self.also_mapped


class HwPoison(DeviceStep):
    """Poison one page of memory that two processes have mapped.

    A device-dax each of them has touched, and mapped another time as well, where it touches
    nothing. Of memory that is no device's, ``anon`` (private) and ``shmem`` (shared), the first
    process wrote to each base page, then made a child that has the same. ``advice`` (of
    anonymous memory) is madvise's. With ``node`` it is of that memory node alone (mbind).

    ``offset`` is the page's, in bytes. Through ``madvise`` a child of the first process
    does it to its own mapping; through ``corrupt-pfn`` (debugfs; of a device-dax) it unmaps
    before. ``early`` makes the first process ask to be told at once (PR_MCE_KILL_EARLY), which
    its children inherit.

    Shows ``outcome`` (``poisoned``, ``refused`` with ``errno``, ``killed`` or
    ``no-device``); of the signal that comes to the child with the poison ``signal``, ``code``,
    ``address_offset`` (si_addr, as bytes from the mapping's start) and ``address_lsb``
    (si_addr_lsb); of the first process the same as ``other_signal`` and so on;
    ``corrupted_bytes`` (growth of HardwareCorrupted); and of the kernel's messages
    ``sigbus_messages`` (their number) and ``recovery`` (what became of the page).

    Of a device-dax ``retouched``, whether the child's access to the page works afterwards
    (through madvise), and ``other_faults``, the faults that touching everything again takes the
    first process. Of other memory what reading the page ends in: ``touch_signal`` and so on
    in the child, ``other_touch_signal`` in the first process, ``forked_touch_signal`` in
    another child that it forks afterwards; and ``intact_bytes``, how much of the rest the first
    process finds as it was written.
    """

    kind: ClassVar[str] = "hwpoison"
    memory: Literal["anon", "shmem", "devdax"] = "devdax"
    via: Literal["madvise", "corrupt-pfn"] = "madvise"
    size: PositiveSize = 64 << 20
    offset: Annotated[Size, pydantic.Field(ge=0)] = 0
    early: bool = False
    advice: Advice = "none"
    node: Index | None = None

    @pydantic.model_validator(mode="after")
    def _of_its_memory(self) -> HwPoison:
        if self.memory == "devdax" and self.advice != "none":
            raise ValueError("advice is for memory: anon; a device-dax is mapped by its align")
        if self.memory == "shmem" and self.advice != "none":
            raise ValueError("advice is for memory: anon; shared memory is of base pages")
        if self.memory == "devdax" and self.node is not None:
            raise ValueError("node is for memory: anon or shmem; a device-dax is where it is")
        if self.memory in RAM and "region" in self.model_fields_set:
            raise ValueError(f"a pmem region is named, which has no memory: {self.memory}")
        if self.memory in RAM and self.via != "madvise":
            raise ValueError("via: corrupt-pfn is for memory: devdax, whose frames are known")
        return self


MAPPING_STEPS: tuple[type[Step], ...] = (Fault, Mmap, PageMetadata, HwPoison)
