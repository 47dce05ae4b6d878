"""Arithmetic of namespaces: the pfn info block and the block translation table. Bytes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.machine import GIB, MIB
from harness.scenario.steps import Map
from harness.units import align_down, align_up

INFO_BLOCK = 8192
"""Bytes that the pfn super block takes at a namespace's start (SZ_8K)."""

STRUCT_PAGE_RESERVED = 64
"""Bytes kept for each struct page on the device (MAX_STRUCT_PAGE_SIZE, drivers/nvdimm/nd.h)."""

SMALLEST = 16 * MIB
"""Below this no namespace hosts anything but raw mode."""

ARENA_LARGEST = 512 * GIB
_BTT_PAGE = 4096
_BTT_FREE_BLOCKS = 256
_BTT_LOG_GROUP = 64
_BTT_MAP_ENTRY = 4
_BTT_BLOCK_GRANULE = 64


@dataclass(frozen=True, slots=True)
class Span:
    """Physical addresses from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start

    def meets(self, other: Span) -> bool:
        """Whether the two have an address in common."""
        return self.start < other.end and other.start < self.end

    def common(self, other: Span) -> Span:
        """What both have; for two that meet."""
        return Span(max(self.start, other.start), min(self.end, other.end))


@dataclass(frozen=True, slots=True)
class InfoBlock:
    """What nd_pfn_init writes into the super block of a namespace.

    ``alignment`` is what data start and end were brought to, ``page_map_bytes`` the room
    kept for struct pages (0 for map=mem), ``size_bytes`` what is left for the user.
    """

    alignment: int
    page_map_bytes: int
    data_offset: int
    end_trunc: int
    size_bytes: int


def place_info_block(
    *,
    start: int,
    raw_bytes: int,
    align: int,
    compat: int,
    page: int,
    map_: Map,
    reserved: int = STRUCT_PAGE_RESERVED,
) -> InfoBlock:
    """Where data of a namespace of ``raw_bytes`` at ``start`` begins and ends.

    ``reserved`` bytes are kept for each struct page with map=dev. ``size_bytes`` is zero or
    less where nothing is left. Source: drivers/nvdimm/pfn_devs.c, nd_pfn_init.
    """
    alignment = max(align, compat)
    nr_pages = (raw_bytes - INFO_BLOCK) // page
    page_map = reserved * nr_pages if map_ == "dev" else 0
    offset = align_up(start + INFO_BLOCK + page_map, alignment) - start
    end_trunc = (start + raw_bytes) % alignment
    return InfoBlock(alignment, page_map, offset, end_trunc, raw_bytes - offset - end_trunc)


def btt_arenas(raw_bytes: int) -> tuple[int, ...]:
    """Sizes of the arenas of a BTT; a rest below 16 MiB stays unused (create_arenas)."""
    whole, rest = divmod(raw_bytes, ARENA_LARGEST)
    return (ARENA_LARGEST,) * whole + ((rest,) if rest >= SMALLEST else ())


def btt_arena_blocks(arena_bytes: int, lba_bytes: int) -> int:
    """Blocks that one arena offers: all that fit less the free list (alloc_arena)."""
    log_bytes = align_up(_BTT_FREE_BLOCKS * _BTT_LOG_GROUP, _BTT_PAGE)
    available = align_down(arena_bytes, _BTT_PAGE) - 2 * _BTT_PAGE - log_bytes
    block_and_entry = align_up(lba_bytes, _BTT_BLOCK_GRANULE) + _BTT_MAP_ENTRY
    return (available - _BTT_PAGE) // block_and_entry - _BTT_FREE_BLOCKS


def btt_sector_bytes(lba_bytes: int) -> int:
    """Sector size that users see: lbas of 520 or 4160 carry metadata beside it."""
    return 4096 if lba_bytes >= 4096 else 512


def btt_capacity(raw_bytes: int, lba_bytes: int) -> int:
    """Bytes of the block device made by a BTT 2.0 (namespace labels 1.2).

    Source: drivers/nvdimm/btt.c, alloc_arena, create_arenas, btt_blk_init.
    """
    blocks = sum(btt_arena_blocks(arena, lba_bytes) for arena in btt_arenas(raw_bytes))
    return blocks * btt_sector_bytes(lba_bytes)
