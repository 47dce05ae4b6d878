"""The room for struct pages on the device itself (map=dev), handed out page by page.

Source: drivers/nvdimm/pfn_devs.c, __nvdimm_setup_pfn; mm/sparse-vmemmap.c,
altmap_alloc_block_buf; arch/powerpc/mm/init_64.c, altmap_cross_boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.geometry import INFO_BLOCK, InfoBlock, Span
from harness.units import align_up


@dataclass(slots=True)
class Altmap:
    """Pages between info block and data. ``base``, ``reserve`` and ``free`` count pages."""

    base: int
    reserve: int
    free: int
    span: Span
    page: int
    allocated: int = 0

    @classmethod
    def of(cls, span: Span, info: InfoBlock, page: int) -> Altmap:
        """The altmap of a namespace whose struct pages cover ``span``."""
        reserve = align_up(INFO_BLOCK, page)
        free = (info.data_offset - reserve) // page
        return cls(span.start // page, reserve // page, free, span, page)

    @property
    def first_data_page(self) -> int:
        """Where pages for use begin: vmem_altmap_offset() behind the base."""
        return self.base + self.reserve + self.free

    def take(self, size: int) -> bool:
        """Allocate a block of ``size`` bytes, aligned to itself; False where none fits."""
        wanted = size // self.page
        next_page = self.base + self.reserve + self.allocated
        padding = -next_page % wanted
        if wanted + padding > self.free - self.allocated:
            return False
        self.allocated += wanted + padding
        return True

    def holds(self, struct_pages_of: Span) -> bool:
        """Whether a block of struct pages stands for memory of this device alone."""
        return self.span.start <= struct_pages_of.start and struct_pages_of.end <= self.span.end
