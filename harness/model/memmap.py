"""How many struct pages are initialised, and what the kernel counts for their memory."""

from __future__ import annotations

from harness.model.altmap import Altmap
from harness.model.geometry import Span
from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.model.vmemmap import RESERVED_PAGES, why_not_optimised
from harness.records import Expected
from harness.units import align_down, align_up


def expect_initialised(machine: Machine, span: Span | None, altmap: Altmap | None) -> Expected:
    """The number in memmap_init_zone_device's message; 0 where there is none."""
    if span is None:
        return Expected("memmap_pages", 0, RULES["memmap.none"])
    first, end = span.start // machine.page, span.end // machine.page
    if altmap is None:
        why = f"pages {first:#x} to {end:#x}"
        return Expected("memmap_pages", end - first, RULES["memmap.whole"], because=why)
    first = altmap.first_data_page
    why = (
        f"pages {altmap.base:#x} + reserve {altmap.reserve:#x} + free {altmap.free:#x}"
        f" = {first:#x} to {end:#x}"
    )
    return Expected("memmap_pages", end - first, RULES["memmap.altmap"], because=why)


def counted_pages(
    machine: Machine, span: Span, compound: int, altmap: Altmap | None
) -> tuple[int, str]:
    """What nr_memmap_pages goes up by, and why (mm/sparse-vmemmap.c)."""
    shared = machine.memmap_counts_shared and (
        why_not_optimised(machine, compound, "mem" if altmap is None else "dev") is None
    )
    if not shared:
        pages = _counted_plain(machine, span)
        size = machine.kernel.struct_page_bytes
        return pages, f"{size} bytes a page, rounded up in each section of {machine.section:#x}"
    if compound < machine.section:
        compounds = span.size // compound
    else:
        # By sections that begin a compound: one that starts inside a section is not seen.
        first = align_up(span.start, compound)
        compounds = max(0, align_up(span.end - first, compound) // compound)
    return RESERVED_PAGES * compounds, f"{RESERVED_PAGES} for each of {compounds} compounds"


def _counted_plain(machine: Machine, span: Span) -> int:
    def pages(size: int) -> int:
        return -(-(size // machine.page * machine.kernel.struct_page_bytes) // machine.page)

    section = machine.section
    first, last = align_up(span.start, section), align_down(span.end, section)
    if first > last:
        return pages(span.size)
    whole = (last - first) // section * pages(section)
    return pages(first - span.start) + whole + pages(span.end - last)
