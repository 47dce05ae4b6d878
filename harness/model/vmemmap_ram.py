"""Where the memory of struct pages comes from: RAM or the device, in which blocks.

Memory is added section by section. x86 and arm64 take a PMD for each whole section and
base pages for a part of one; powerpc takes blocks that cover far more than a section, and
takes none where one is there already. Page tables are left out throughout.

Sources: mm/memory_hotplug.c __add_pages; arch/x86/mm/init_64.c and arch/arm64/mm/mmu.c
vmemmap_populate; arch/powerpc/mm/init_64.c vmemmap_populate;
arch/powerpc/mm/book3s64/radix_pgtable.c radix__vmemmap_populate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.altmap import Altmap
from harness.model.geometry import Span
from harness.model.machine import POWERPC, SUBSECTION, Machine
from harness.model.rules import RULES
from harness.model.state import Block
from harness.model.vmemmap import RESERVED_PAGES, why_not_optimised
from harness.records import Rule
from harness.units import align_down, align_up


@dataclass(frozen=True, slots=True)
class Taken:
    """RAM that struct pages of one namespace take, by which rule and why.

    ``exhausted`` tells that the device has no room for them, and the kernel gives up.
    """

    blocks: tuple[Block, ...]
    rule: Rule
    because: str
    exhausted: bool = False

    @property
    def ram_bytes(self) -> int:
        return sum(block.ram_bytes for block in self.blocks)


def ram_taken(
    machine: Machine, span: Span, compound: int, altmap: Altmap | None, others: Sequence[Span]
) -> Taken:
    """RAM for the struct pages of ``span``, compounds of ``compound`` bytes.

    ``others`` are the spans of namespaces that are there already. ``compound`` is the
    page size for fsdax.
    """
    reason = why_not_optimised(machine, compound, "mem" if altmap is None else "dev")
    if reason is None:
        return _shared(machine, span, compound)
    if machine.mmu in POWERPC:
        return _in_blocks(machine, span, altmap, others)
    return _by_section(machine, span, altmap, reason)


def _shared(machine: Machine, span: Span, compound: int) -> Taken:
    """Head page and one tail page of each compound.

    radix counts compounds by address, the generic code from the range's start; of those
    above a section it knows no other than the first to begin within one.
    """
    first = align_down(span.start, compound) if machine.mmu == "radix" else span.start
    compounds = align_up(span.end - first, compound) // compound
    if machine.mmu != "radix" and compound > machine.section and first % machine.section:
        compounds = 1
    size = compounds * RESERVED_PAGES * machine.page
    why = f"{compounds} compounds of {compound:#x} x {RESERVED_PAGES} pages of {machine.page:#x}"
    return Taken((Block(span, size),), RULES["vmemmap.shared"], why)


def _struct_bytes(machine: Machine, size: int) -> int:
    return size // machine.page * machine.kernel.struct_page_bytes


def _by_section(machine: Machine, span: Span, altmap: Altmap | None, reason: str) -> Taken:
    """x86 and arm64: a PMD for each whole section, base pages for the rest."""
    if altmap is None:
        first = align_down(_struct_bytes(machine, span.start), machine.page)
        size = align_up(_struct_bytes(machine, span.end), machine.page) - first
        why = f"{span.size:#x} / {machine.page:#x} x {machine.kernel.struct_page_bytes}: {reason}"
        return Taken((Block(span, size),), RULES["vmemmap.ram"], why)
    from_ram = 0
    for part in _sections(machine, span):
        size = _struct_bytes(machine, part.size)
        if part.size < machine.section and machine.takes_parts_from_ram:
            from_ram += size
        elif not _from_altmap(machine, altmap, part, size):
            because = (
                f"struct pages of {part.start:#x} find {altmap.free - altmap.allocated} of"
                f" {altmap.free} pages left, {size // machine.page} wanted"
            )
            return Taken((), RULES["defect.altmap-exhausted"], because, exhausted=True)
    if from_ram:
        why = f"{from_ram:#x} bytes stand for parts of sections"
        return Taken((Block(span, from_ram),), RULES["vmemmap.partial-section"], why)
    return Taken((), RULES["vmemmap.altmap"], f"{altmap.allocated} of {altmap.free} pages used")


def _from_altmap(machine: Machine, altmap: Altmap, part: Span, size: int) -> bool:
    if part.size == machine.section and size % machine.pmd == 0:
        if altmap.take(size):
            return True
        if machine.altmap_has_no_fallback:
            return False
    return all(altmap.take(machine.page) for _ in range(-(-size // machine.page)))


def _sections(machine: Machine, span: Span) -> Iterator[Span]:
    start = span.start
    while start < span.end:
        end = min(span.end, align_down(start, machine.section) + machine.section)
        yield Span(start, end)
        start = end


def _in_blocks(
    machine: Machine, span: Span, altmap: Altmap | None, others: Sequence[Span]
) -> Taken:
    """powerpc: blocks that stand for gigabytes, each taken when its first section comes."""
    size = machine.vmemmap_page
    reach = size // machine.kernel.struct_page_bytes * machine.page
    ram = Span(0, machine.layout.ram_bytes)
    blocks: list[Block] = []
    present = 0
    last = (_struct_bytes(machine, span.end) - 1) // size
    for number in range(_struct_bytes(machine, span.start) // size, last + 1):
        covered = _covered(machine, number)
        if covered.meets(ram) or any(covered.meets(other) for other in others):
            present += 1
        elif machine.radix_maps_vmemmap_itself:
            blocks.append(Block(covered, _radix_block(machine, span, covered, altmap)))
        elif altmap is None or not _from_device(machine, number, covered, altmap):
            blocks.append(Block(covered, size))
    new = ", ".join(f"{block.covered.start:#x}" for block in blocks) or "none"
    why = f"blocks of {size:#x} for {reach:#x} each: {present} there already, new ones for {new}"
    if altmap is not None:
        rule = RULES["vmemmap.altmap-blocks"]
    else:
        rule = RULES["vmemmap.bolted" if machine.mmu == "hash" else "vmemmap.radix-blocks"]
    return Taken(tuple(blocks), rule, why)


def _covered(machine: Machine, number: int) -> Span:
    """The memory that a block of vmemmap has struct pages of, or parts of struct pages."""
    first, end = number * machine.vmemmap_page, (number + 1) * machine.vmemmap_page
    size = machine.kernel.struct_page_bytes
    start = align_down(first // size * machine.page, SUBSECTION)
    return Span(start, -(-end // size) * machine.page)


def _from_device(machine: Machine, number: int, covered: Span, altmap: Altmap) -> bool:
    """Whether a block comes from the altmap.

    What it stands for is asked by the struct page at its start. With 56 bytes each, one
    begins there in every seventh block alone; elsewhere the difference of the pointers is
    none that any device holds (altmap_cross_boundary).
    """
    size = machine.vmemmap_page
    begins = number * size % machine.kernel.struct_page_bytes == 0
    return begins and altmap.holds(covered) and altmap.take(size)


def _radix_block(machine: Machine, span: Span, covered: Span, altmap: Altmap | None) -> int:
    """radix from 6.6: RAM for the struct pages of one PMD's reach."""
    whole = machine.vmemmap_page
    begins_inside = span.start > covered.start
    if altmap is None:
        if machine.radix_takes_whole_blocks or not begins_inside:
            return whole
        return _base_pages(machine, span, covered)
    if not begins_inside and altmap.holds(covered) and altmap.take(whole):
        return 0
    return _edges(machine, span, covered, altmap)


def _base_pages(machine: Machine, span: Span, covered: Span) -> int:
    reach = machine.page // machine.kernel.struct_page_bytes * machine.page
    first = align_down(max(span.start, covered.start), reach)
    end = align_up(min(span.end, covered.end), reach)
    return (end - first) // reach * machine.page


def _edges(machine: Machine, span: Span, covered: Span, altmap: Altmap) -> int:
    """Base pages from the altmap, from RAM where one stands for memory beyond the device."""
    reach = machine.page // machine.kernel.struct_page_bytes * machine.page
    first = align_down(max(span.start, covered.start), reach)
    end = min(span.end, covered.end)
    pages = (Span(start, start + reach) for start in range(first, end, reach))
    from_ram = sum(not (altmap.holds(page) and altmap.take(machine.page)) for page in pages)
    return from_ram * machine.page
