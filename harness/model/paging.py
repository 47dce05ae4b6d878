"""Page tables and entries: how many faults a mapping takes and what its tables weigh.

All sizes are bytes. A table holds as many entries of 8 bytes as its parent's entry covers
of its own; where daxprobe puts a mapping, tables below PUDs are its alone, unless a PUD reaches
down to the program.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.machine import GIB, Machine

ENTRY_BYTES = 8

MAPPED_AT = 64 * GIB
"""Where daxprobe puts its mappings; a multiple of every entry size."""

BESIDE_BYTES = 8 * GIB
"""How far behind its mapping's start daxprobe puts other memory."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number known exactly (``least`` is ``most``), or between two bounds."""

    least: int
    most: int

    def times(self, factor: int) -> Range:
        return Range(self.least * factor, self.most * factor)


def blocks_touched(first: int, length: int, block: int) -> int:
    """Blocks of one size, aligned to it, that a range of bytes has a part in."""
    if length <= 0:
        return 0
    return (first + length - 1) // block - first // block + 1


def page_table_bytes(
    *,
    length: int,
    entry: int,
    page: int,
    pmd: int,
    pud: int,
    deposits: bool,
    first: int = 0,
    stopped: bool = False,
    beside: bool = False,
) -> int:
    """PMD and PTE tables under ``length`` bytes that entries of one size map.

    ``deposits``: a PTE table is deposited for each PMD entry (pgtable_trans_huge_deposit).
    ``stopped``: a fault behind them failed, for which the PMD table was made all the same.
    ``beside``: other memory lies BESIDE_BYTES behind the mapping's start.
    Source: mm_inc_nr_pmds and mm_inc_nr_ptes, include/linux/mm.h; __handle_mm_fault.
    """
    walked = length + int(stopped)
    # daxprobe itself lies at the bottom: a PUD that reaches there has its PMD table already.
    alone = pud <= (BESIDE_BYTES if beside else MAPPED_AT)
    pmd_tables = blocks_touched(first, walked, pud) if entry < pud and alone else 0
    has_ptes = entry < pmd or (entry == pmd and deposits)
    pte_tables = blocks_touched(first, length, pmd) if has_ptes else 0
    return pmd_tables * (pud // pmd) * ENTRY_BYTES + pte_tables * (pmd // page) * ENTRY_BYTES


def deposits_page_tables(machine: Machine, memory: str) -> bool:
    """Whether a PMD entry of this memory costs a PTE table: anonymous ones everywhere,
    those of files and devices on powerpc's hash alone, which keeps its slots there."""
    return memory == "anon" or machine.mmu == "hash"


def vm_pte_growth(table_bytes: int) -> Range:
    """Growth of VmPTE for tables of this size: it counts in whole KiB, cut off."""
    whole = table_bytes // 1024 * 1024
    return Range(whole, whole if whole == table_bytes else whole + 1024)
