"""What a step maps, the entries that map it, and what those cost: faults and page tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.machine import Machine
from harness.model.paging import (
    Range,
    blocks_touched,
    deposits_page_tables,
    page_table_bytes,
    vm_pte_growth,
)
from harness.model.rules import RULES
from harness.model.state import Devdax, Mounted
from harness.records import Expected, Rule
from harness.scenario.mapping_steps import MappingStep
from harness.units import align_up, format_size


@dataclass(frozen=True, slots=True)
class Memory:
    """What a step maps: a device, a file, or neither (anonymous memory)."""

    machine: Machine
    step: MappingStep
    devdax: Devdax | None
    files: Mounted | None

    @property
    def missing(self) -> bool:
        if self.step.memory == "devdax":
            return self.devdax is None or self.devdax.size_bytes == 0
        return self.step.memory == "fsdax" and self.files is None

    @property
    def is_dax(self) -> bool:
        """Whether it is a mapping of DAX (vma_is_dax), be its pages copied or not."""
        if self.step.memory == "devdax":
            return self.devdax is not None
        return self.files is not None and self.files.dax

    @property
    def direct(self) -> bool:
        """Whether entries map the device itself."""
        copied = self.step.sharing == "private" and self.step.access == "write"
        return self.is_dax and not (self.step.memory == "fsdax" and copied)

    @property
    def pages(self) -> int:
        """Base pages of the mapping: mmap() maps whole ones."""
        return align_up(self.step.size, self.machine.page) // self.machine.page

    @property
    def end(self) -> int | None:
        """Where touching ends in SIGBUS, in bytes of the mapping; None where it does not."""
        if self.devdax is not None and self.step.memory == "devdax":
            return max(0, self.devdax.size_bytes - self.step.offset)
        if self.files is not None and self.step.memory == "fsdax":
            return max(0, align_up(self.files.file_bytes, self.machine.page) - self.step.offset)
        return None

    @property
    def entries(self) -> Range:
        """The smallest and the largest entry that may map it."""
        page, pmd = self.machine.page, self.machine.pmd
        if self.devdax is not None and self.step.memory == "devdax":
            return Range(self.devdax.align, self.devdax.align)
        if not self.machine.has_huge_pages or self.step.advice == "nohuge":
            return Range(page, page)
        if self.step.memory == "anon":
            always = self.machine.kernel.has("TRANSPARENT_HUGEPAGE_ALWAYS")
            huge = always or self.step.advice == "huge"
            entry = pmd if huge else page
            return Range(page if self.step.size % pmd else entry, entry)
        if not self.direct:
            return Range(page, page)
        return Range(pmd if self._is_whole_pmds else page, pmd)

    @property
    def _is_whole_pmds(self) -> bool:
        """Whether a file lies so that nothing of it is mapped by smaller entries."""
        files, pmd = self.files, self.machine.pmd
        if files is None or not files.huge or files.sparse or files.device.align % pmd:
            return False
        return self.step.offset % pmd == 0 and self.step.size % pmd == 0


def copies_pages(memory: Memory) -> bool:
    """Whether every page of a file is copied when touched, since it is private and written."""
    step = memory.step
    return step.memory == "fsdax" and step.sharing == "private" and step.access == "write"


def faults_of(memory: Memory, first: int, length: int) -> Range:
    """Faults for touching a range once: one for each entry that maps a part of it, or two."""
    entries = memory.entries
    fewest = blocks_touched(first, length, entries.most)
    faults = Range(fewest, blocks_touched(first, length, entries.least))
    return faults.times(2) if is_clean_first(memory) else faults


def rule_of_faults(memory: Memory) -> Rule:
    return RULES["fault.clean-entry" if is_clean_first(memory) else "fault.entry"]


def is_clean_first(memory: Memory) -> bool:
    """Whether a write finds a clean entry and faults again to make it dirty."""
    machine, step = memory.machine, memory.step
    base_pages = memory.devdax is not None and memory.devdax.align == machine.page
    writes = step.memory == "devdax" and step.access == "write" and base_pages
    return writes and machine.target.mmu.dirty_by_fault and not machine.dax_counts_folios


def expect_tables(
    memory: Memory, first: int, length: int, *, stopped: bool = False
) -> Iterator[Expected]:
    machine, entries = memory.machine, memory.entries
    sizes = [
        vm_pte_growth(
            page_table_bytes(
                first=first,
                length=length,
                stopped=stopped,
                entry=entry,
                page=machine.page,
                pmd=machine.pmd,
                pud=machine.pud,
                deposits=deposits_page_tables(machine, memory.step.memory),
                beside=memory.step.beside,
            )
        )
        for entry in (entries.most, entries.least)
    ]
    least, most = min(s.least for s in sizes), max(s.most for s in sizes)
    why = f"{length:#x} touched; {about_entries(memory)}"
    yield from between("page_table_bytes", Range(least, most), RULES["mmap.page-tables"], why)


def about_entries(memory: Memory) -> str:
    entries = memory.entries
    if entries.least == entries.most:
        return f"entries of {format_size(entries.most)}"
    return f"entries of {format_size(entries.least)} to {format_size(entries.most)}"


def between(name: str, bounds: Range, rule: Rule, why: str) -> tuple[Expected, ...]:
    if bounds.least == bounds.most:
        return (Expected(name, bounds.least, rule, because=why),)
    return (
        Expected(name, bounds.least, rule, ">=", why),
        Expected(name, bounds.most, rule, "<=", why),
    )
