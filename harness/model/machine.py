"""What the model knows of one guest: target, kernel and layout, and what follows from them.

A probe of the kernel's source (``KernelFacts.probes``) wins over its version, since stable
kernels and vendor trees carry later changes; where a probe is missing the version decides.
All sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.records import KernelFacts, Layout, PmemDevice
from harness.scenario.places import check_region
from harness.target import Target
from harness.units import align_down

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

SUBSECTION = 2 * MIB
REGION_ALIGN = 16 * MIB

NEVER = (1 << 16, 0)
"""Of a probe that no released version answers with yes."""

# Kinds of MMUs by what their architecture does differently; any other does as the generic code.
POWERPC = frozenset({"hash", "radix"})
WITHOUT_EFI = POWERPC | {"s390"}
OWN_PAGE_TABLES = POWERPC | {"s390"}
"""Page tables that come from the architecture's code, not from include/asm-generic/pgalloc.h."""


@dataclass(frozen=True)
class Machine:
    """One guest; every property is derived once and kept."""

    target: Target
    kernel: KernelFacts
    layout: Layout

    @cached_property
    def page(self) -> int:
        return self.target.mmu.page_size

    @cached_property
    def pmd(self) -> int:
        return self.target.mmu.pmd_size

    @cached_property
    def pud(self) -> int:
        return self.target.mmu.pud_size

    @cached_property
    def section(self) -> int:
        """Size of a memory section, the unit that memory hotplug counts in.

        The built kernel knows best: s390 went from 256M to 128M.
        """
        bits = self.kernel.probes.get("SECTION_SIZE_BITS")
        return 1 << bits if isinstance(bits, int) else self.target.mmu.section_size

    @cached_property
    def mmu(self) -> str:
        return self.target.mmu.kind

    @cached_property
    def linear_page(self) -> int:
        """Page size of the kernel's linear map on hash; elsewhere it does not matter.

        16M needs them offered by the hypervisor, and neither KFENCE nor debug_pagealloc,
        which have to unmap single pages (arch/powerpc/mm/book3s64/hash_utils.c,
        htab_init_page_sizes; include/linux/mm.h, debug_pagealloc_enabled: a kernel that merely
        could do the latter has it off).
        """
        offered = self.target.mmu.linear_page or self.page
        symbols = ("KFENCE", "DEBUG_PAGEALLOC_ENABLE_DEFAULT")
        return self.page if any(self.kernel.has(symbol) for symbol in symbols) else offered

    @cached_property
    def linear_map_of_pages(self) -> bool:
        """Whether arm64 maps memory that is added later by base pages alone.

        No CPU that QEMU has splits blocks in place (arch/arm64/mm/mmu.c, arch_add_memory,
        force_pte_mapping; before 6.18 can_set_direct_map).
        """
        if self.mmu != "arm64":
            return False
        symbols = ("RODATA_FULL_DEFAULT_ENABLED", "KFENCE", "DEBUG_PAGEALLOC_ENABLE_DEFAULT")
        asked = any(self.kernel.has(symbol) for symbol in symbols)
        return asked or self.probe("arm64_rodata_full", since=(6, 18))

    @cached_property
    def vmemmap_page(self) -> int:
        """Size of one block of struct pages on powerpc: what is mapped, and allocated, at once.

        On hash 16M where the hypervisor offers those and a gigabyte is there at boot, else
        a base page (arch/powerpc/mm/book3s64/hash_utils.c, htab_init_page_sizes); on radix
        2M (radix_pgtable.c, radix__early_init_mmu).
        """
        if self.mmu == "hash":
            return 16 * MIB if self.offers_16m_pages and self.layout.ram_bytes >= GIB else self.page
        return self.pmd

    @cached_property
    def offers_16m_pages(self) -> bool:
        """Whether a hash guest was given 16M pages (cap-hpt-max-page-size)."""
        return self.mmu == "hash" and self.target.mmu.linear_page == 16 * MIB

    @cached_property
    def memremap_compat_align(self) -> int:
        """What the start of any namespace with struct pages must be a multiple of."""
        if self.mmu == "hash":
            return max(SUBSECTION, self.linear_page)
        return SUBSECTION

    @cached_property
    def has_huge_pages(self) -> bool:
        """has_transparent_hugepage(): on hash only where a PMD is one 16M page."""
        if not (self.target.mmu.huge_pages and self.kernel.has("TRANSPARENT_HUGEPAGE")):
            return False
        if self.mmu == "hash":
            return self.offers_16m_pages and self.pmd == 16 * MIB
        return True

    @cached_property
    def has_pud_pages(self) -> bool:
        """Whether a namespace may be aligned to, and mapped by, PUD entries."""
        if not self.has_huge_pages:
            return False
        if self.mmu == "radix":
            return self.probe("radix_pud_thp", since=(6, 6))
        if self.mmu in ("x86", "hash"):
            return self.mmu == "x86"
        return self.kernel.has("HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD")

    @cached_property
    def supported_alignments(self) -> tuple[int, ...]:
        """nd_pfn_supported_alignments(), ascending."""
        found = [self.page]
        if self.has_huge_pages:
            found.append(self.pmd)
        if self.has_pud_pages:
            found.append(self.pud)
        return tuple(found)

    @cached_property
    def default_alignment(self) -> int:
        """nd_pfn_default_alignment(): a PMD where there is one to map with."""
        return self.pmd if self.has_huge_pages else self.page

    @cached_property
    def default_huge_page(self) -> int | None:
        """Default hugetlb page size; None where the machine or the kernel has none."""
        if not (self.target.mmu.huge_pages and self.kernel.has("HUGETLBFS")):
            return None
        if self.mmu == "hash":
            return 16 * MIB if self.offers_16m_pages else None
        return self.pmd

    @cached_property
    def regions(self) -> tuple[PmemDevice, ...]:
        """One region for each nvdimm, by ascending address."""
        return tuple(sorted(self.layout.pmem, key=lambda device: device.start))

    def region(self, index: int) -> PmemDevice:
        """One region. Raises UserError where the layout has no such device."""
        check_region(index, len(self.regions))
        return self.regions[index]

    def region_align(self, region: PmemDevice) -> int:
        """Unit of allocation in a region (drivers/nvdimm/region_devs.c, default_align)."""
        return self.page if region.size_bytes < REGION_ALIGN else REGION_ALIGN

    def allocatable(self, region: PmemDevice) -> int:
        """Bytes of an empty region that namespaces can be made of."""
        return align_down(region.size_bytes, self.region_align(region))

    def probe(self, name: str, since: tuple[int, int]) -> bool:
        """What the kernel's source was seen to have; by version where nobody looked."""
        seen = self.kernel.probes.get(name)
        return self.kernel.version[:2] >= since if seen is None else bool(seen)

    @cached_property
    def refuses_empty_namespace(self) -> bool:
        """Whether nd_pfn_init takes the cut end into account before it says yes."""
        return self.probe("namespace_end_trunc_checked", since=(6, 6))

    @cached_property
    def dax_counts_folios(self) -> bool:
        """Whether DAX pages are ordinary reference-counted folios (from 6.15)."""
        return self.probe("dax_refcount_rework", since=(6, 15))

    @cached_property
    def gives_hmem_to_kmem(self) -> bool:
        """Whether a device of soft-reserved memory is RAM again unless asked not to (6.3)."""
        return self.probe("hmem_for_kmem", since=(6, 3))

    @cached_property
    def has_kmem_state(self) -> bool:
        """Whether a device that is RAM has a ``state`` in sysfs (7.3)."""
        return self.probe("kmem_state", since=(7, 3))

    @cached_property
    def reads_nodes(self) -> bool:
        """Whether the kernel asks the firmware for memory nodes: by ACPI, or the device tree."""
        return self.mmu in POWERPC or self.kernel.has("ACPI_NUMA")

    @cached_property
    def radix_maps_vmemmap_itself(self) -> bool:
        """Whether radix fills vmemmap by code of its own (368a0590d954; 6.6)."""
        return self.mmu == "radix" and self.probe("radix_own_vmemmap", since=(6, 6))

    @cached_property
    def radix_takes_whole_blocks(self) -> bool:
        """Whether that code takes 2M of struct pages at once wherever a namespace starts."""
        return self.probe("radix_vmemmap_whole_blocks", since=(6, 15))

    @cached_property
    def altmap_has_no_fallback(self) -> bool:
        """Whether a section's struct pages are given up when no PMD of the altmap is left.

        The generic code does so, and x86 always did; arm64 before 6.2 went on with base pages.
        """
        return self.mmu != "arm64" or self.probe("arm64_generic_vmemmap", since=(6, 2))

    @cached_property
    def takes_parts_from_ram(self) -> bool:
        """Whether struct pages of a part of a section come from RAM in spite of an altmap.

        So on x86. arm64 takes them from what the altmap has left (defect.altmap-exhausted).
        """
        return self.mmu == "x86" or self.probe("arm64_parts_from_ram", since=NEVER)

    @property
    def reports_direct_map(self) -> bool:
        """Whether meminfo says what of memory is mapped by pages of which size.

        Source: arch/x86/mm/pat/set_memory.c, arch/powerpc/mm/book3s64/pgtable.c,
        arch_report_meminfo; hash says so only in newer kernels.
        """
        return self.mmu in ("x86", "radix")

    @cached_property
    def foll_longterm(self) -> int:
        """FOLL_LONGTERM, which gup_test's ioctl takes as it is (include/linux/mm_types.h)."""
        return 1 << 8 if self.probe("foll_flags_renumbered", since=(6, 3)) else 1 << 16

    @cached_property
    def longterm_asks_dirty_tracking(self) -> bool:
        """Whether longterm pins to write spare files whose dirty pages are tracked (6.5)."""
        return self.probe("longterm_asks_dirty_tracking", since=(6, 5))

    @cached_property
    def kmalloc_limit(self) -> int:
        """The most that kmalloc gives in one piece: a block of MAX_PAGE_ORDER.

        arm64 and powerpc have its order in their configuration (6.4), x86 and s390 have 10.
        """
        return self.page << int(self.kernel.config.get("ARCH_FORCE_MAX_ORDER", "10"))

    @cached_property
    def rdma_knows_persistence(self) -> bool:
        """Whether memory can be registered for persistent flushes (from 6.2)."""
        return self.probe("rdma_persistent_access", since=(6, 2))

    @cached_property
    def grabs_folios(self) -> bool:
        """Whether GUP's slow path takes references by try_grab_folio (f442fa614137; 6.10)."""
        return self.probe("gup_grabs_folios", since=(6, 10))

    @cached_property
    def gup_test_rounds_hugetlb(self) -> bool:
        """Whether the kernel's gup_test maps whole huge pages of hugetlb, whatever its -m."""
        return self.probe("gup_test_rounds_hugetlb", since=(7, 0))

    @cached_property
    def counts_kernel_tables(self) -> bool:
        """Whether nr_page_table_pages moves when the kernel maps something for itself."""
        return self.mmu not in OWN_PAGE_TABLES and self.probe("kernel_tables_counted", (6, 16))

    @cached_property
    def memmap_is_counted(self) -> bool:
        """Whether /proc/vmstat has nr_memmap_pages (from 6.11)."""
        return self.probe("memmap_counted", since=(6, 11))

    @cached_property
    def memmap_counts_shared(self) -> bool:
        """Whether it counts shared struct pages once (stable 6.12.97 and later trees)."""
        return self.probe("memmap_counts_shared", since=(7, 1))
