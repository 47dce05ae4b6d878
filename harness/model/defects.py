"""Faults of released kernels that the model knows of: which guests have them, by which rule.

What a guest with one shows is predicted like anything else, and told apart from it wherever
results are told. A kernel is held to have a defect until its source says otherwise: each has
a probe that answers yes for a kernel without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.model.machine import NEVER, Machine
from harness.model.state import Devdax, Namespace
from harness.model.vmemmap import RESERVED_PAGES, why_not_optimised
from harness.records import Rule

# 2 << 30 and less fit into an unsigned int; a PUD is a power of two.
_UNSIGNED_INT = 1 << 32
# struct rxe_mr_page.
_RXE_PAGE_BYTES = 16

_RADIX = "Linux arch/powerpc/mm/book3s64/radix_pgtable.c vmemmap_populate_compound_pages"


@dataclass(frozen=True, slots=True)
class Defect:
    """One rule, the probe that says that a source is without it, and where it was seen."""

    rule: Rule
    probe: str
    kernels: str


DEFECTS: tuple[Defect, ...] = (
    Defect(
        Rule(
            "defect.pud-fault-size",
            "The first access to a device-dax mapping whose PUD is empty gives SIGBUS on hash"
            " with 64K pages: the fault handler keeps PUD_SIZE, 16G, in an unsigned int, which"
            " leaves 0, less than any alignment, so that it gives up where it should fall back.",
            "Linux drivers/dax/device.c __dev_dax_pud_fault; mm/memory.c __handle_mm_fault,"
            " create_huge_pud (compiled in on powerpc since 27af67f35631, 6.6)",
            defect=True,
        ),
        probe="dax_pud_fault_size_fits",
        kernels="6.12.117, 7.2.13 and 7.3.4 (6.1.192 has no PUD entries on powerpc)",
    ),
    Defect(
        Rule(
            "defect.radix-compounds",
            "radix shares struct pages of compounds counted by address, the rest of the kernel"
            " counts them from the namespace's start: off its alignment heads lie in shared"
            " tails, which initialising (from 6.18) or pinning the pages warns of; less than two"
            " pages of struct pages before a multiple of it, the last compound's are written"
            " behind those that there are.",
            f"{_RADIX}; mm/mm_init.c memmap_init_compound; mm/gup.c try_grab_folio",
            defect=True,
        ),
        probe="radix_compounds_from_start",
        kernels="6.12.117, 7.2.13 and 7.3.4 (6.1.192 shares none on radix)",
    ),
    Defect(
        Rule(
            "defect.section-compounds",
            "The generic code shares struct pages section by section, and takes a section that no"
            " compound above a section begins with for one of tails: in devdax with map=mem that"
            " starts within a section all heads but the first lie in shared tails, which"
            " initialising (from 6.18) or holding the pages warns of.",
            "Linux mm/sparse-vmemmap.c reuse_compound_section, vmemmap_populate_compound_pages;"
            " mm/mm_init.c memmap_init_compound; mm/gup.c try_grab_page, try_grab_folio",
            defect=True,
        ),
        probe="sections_begin_compounds",
        kernels="6.1.192, 7.2.13 and 7.3.4 on x86_64",
    ),
    Defect(
        Rule(
            "defect.folio-head",
            "With HugeTLB's optimisation built in, 7.2 finds the head of a folio by a mask of a"
            " struct page's address, as if folios started at multiples of their size: in devdax"
            " with map=mem off its alignment they start with the namespace, and the fault handler"
            " of PUDs, which takes the page for a folio of its own, warns and gives SIGBUS.",
            "Linux include/linux/page-flags.h compound_info_has_mask, _compound_head;"
            " mm/mm_init.c memmap_init_compound; mm/huge_memory.c vmf_insert_folio_pud",
            defect=True,
        ),
        probe="folio_heads_anywhere",
        kernels="7.2.13 and 7.3.4 on x86_64",
    ),
    Defect(
        Rule(
            "defect.empty-fsdax",
            "Before 6.6 an fsdax namespace of size 0 comes to be; with map=dev its first page of"
            " data, which taking it away looks at, lies behind its end and has no struct page.",
            "Linux drivers/nvdimm/pfn_devs.c nd_pfn_init; mm/memremap.c pfn_first, pageunmap_range",
            defect=True,
        ),
        probe="namespace_end_trunc_checked",
        kernels="6.1.192 on x86_64",
    ),
    Defect(
        Rule(
            "defect.altmap-exhausted",
            "The altmap is sized for all struct pages, but not for what aligning them costs: on"
            " arm64 a namespace that ends (or starts) within a section may find no page left for"
            " it, is not made, and memunmap_pages warns.",
            "Linux mm/sparse-vmemmap.c altmap_alloc_block_buf; arch/arm64/mm/mmu.c"
            " vmemmap_populate; drivers/nvdimm/pfn_devs.c nd_pfn_init",
            defect=True,
        ),
        probe="arm64_parts_from_ram",
        kernels="6.1.192, 7.2.13 and 7.3.4 on arm64",
    ),
    Defect(
        Rule(
            "defect.vmemmap-page-shared",
            "On arm64 with pages of 64K a page of vmemmap holds the struct pages of 64M, more than"
            " the 16M that namespaces begin at: the second in one takes none, and gives back what"
            " is not its own. With map=dev memunmap_pages warns that the altmap does not add up.",
            "Linux arch/arm64/mm/mmu.c unmap_hotplug_pte_range, free_hotplug_page_range;"
            " mm/sparse-vmemmap.c vmemmap_pte_populate; mm/memremap.c memunmap_pages",
            defect=True,
        ),
        probe="arm64_vmemmap_kept",
        kernels="6.1.192 on arm64-64k; the code is the same in 7.2.13",
    ),
    Defect(
        Rule(
            "defect.pages-outlived",
            "Disabling a device-dax does not wait for pages of it that are held, by DMA for"
            " example: from 5.18 a page gives its reference to the pagemap up when the device"
            " goes, not when the page is let go of. Who lets go of it then does so by a struct"
            " page that is not there any more.",
            "Linux mm/memremap.c memunmap_pages (percpu_ref_put_many), free_zone_device_page;"
            " 27674ef6c73f",
            defect=True,
        ),
        probe="unbind_waits_for_pages",
        kernels="6.1.192, 7.2.13 and 7.3.4",
    ),
    Defect(
        Rule(
            "defect.rxe-page-list",
            "Soft RoCE keeps 16 bytes for each page of a memory region in one piece of kmalloc's,"
            " which has 4M at most with base pages of 4K: a region above 1G is not registered, and"
            " the page allocator warns. Nothing stays pinned.",
            "Linux drivers/infiniband/sw/rxe/rxe_mr.c __alloc_mr_page_info; mm/page_alloc.c"
            " __alloc_pages (MAX_PAGE_ORDER)",
            defect=True,
        ),
        probe="rxe_page_list_fits",
        kernels="7.2.13 and 7.3.4 on x86_64 and arm64 (6.1.192 has a table of tables)",
    ),
)

DEFECT_RULES: tuple[Rule, ...] = tuple(defect.rule for defect in DEFECTS)


def fails_on_empty_pud(machine: Machine) -> bool:
    """Whether a fault of device-dax in an empty PUD ends in SIGBUS (defect.pud-fault-size)."""
    return (
        machine.pud % _UNSIGNED_INT == 0
        and machine.kernel.has("HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD")
        and not machine.probe("dax_pud_fault_size_fits", since=NEVER)
    )


def shares_vmemmap_page(machine: Machine, namespaces: Sequence[Namespace]) -> bool:
    """Whether two of these, each with its struct pages on the device, have some in one page.

    See defect.vmemmap-page-shared.
    """
    reach = machine.page // machine.kernel.struct_page_bytes * machine.page
    spans = sorted(
        (n.mapped.start, n.mapped.end) for n in namespaces if n.mapped and n.map == "dev"
    )
    return (
        machine.mmu == "arm64"
        and any((end - 1) // reach == start // reach for (_, end), (start, _) in pairwise(spans))
        and not machine.probe("arm64_vmemmap_kept", since=NEVER)
    )


def overflows_page_list(machine: Machine, region_bytes: int) -> bool:
    """Whether soft RoCE has no room for a region's pages (defect.rxe-page-list)."""
    before = machine.kernel.version[:2] < (6, 12)
    list_bytes = _RXE_PAGE_BYTES * (region_bytes // machine.page)
    fits = machine.kernel.probes.get("rxe_page_list_fits", before)
    return not fits and list_bytes > machine.kmalloc_limit


def shares_heads(machine: Machine, device: Devdax) -> bool:
    """Whether radix shares what should be heads of this devdax (defect.radix-compounds)."""
    return (
        machine.mmu == "radix"
        and device.mode == "devdax"
        and device.map is not None
        and device.start % device.align != 0
        and why_not_optimised(machine, device.align, device.map) is None
        and not machine.probe("radix_compounds_from_start", since=NEVER)
    )


def loses_heads(machine: Machine, device: Devdax) -> bool:
    """Whether all heads but the first are taken for tails (defect.section-compounds)."""
    return (
        machine.mmu != "radix"
        and device.mode == "devdax"
        and device.map is not None
        and device.align > machine.section
        and device.start % machine.section != 0
        and device.size_bytes > 0
        and why_not_optimised(machine, device.align, device.map) is None
        and not machine.probe("sections_begin_compounds", since=NEVER)
    )


def ends_before_data(namespace: Namespace) -> bool:
    """Whether the first page of data is behind the last one that there is (defect.empty-fsdax).

    Of a devdax no driver takes that; fsdax is a block device without a block.
    """
    empty = namespace.info is not None and namespace.size_bytes == 0
    return empty and namespace.mode == "fsdax" and namespace.map == "dev"


def misses_heads(machine: Machine, device: Devdax) -> bool:
    """Whether the kernel does not find the heads of this devdax (defect.folio-head)."""
    return (
        device.mode == "devdax"
        and device.map == "mem"
        and device.align > machine.page
        and device.start % device.align != 0
        and machine.dax_counts_folios
        and machine.kernel.has("HUGETLB_PAGE_OPTIMIZE_VMEMMAP")
        and not machine.probe("folio_heads_anywhere", since=NEVER)
    )


def outlives_pages(machine: Machine) -> bool:
    """Whether a devdax goes while pages of it are held (defect.pages-outlived)."""
    return not machine.probe("unbind_waits_for_pages", since=NEVER)


def warns_of_shared_heads(machine: Machine, device: Devdax) -> bool:
    """Whether the kernel warns of it as soon as it initialises them.

    It does where a head is prepared after its tails, from 6.18, and has been overwritten by
    one of them: where the page of struct pages behind the head's is the same one. On radix
    that is so but for the first and the last page of what it takes for a compound.
    """
    reach = _struct_page_reach(machine)
    off = device.start % device.align
    overwritten = loses_heads(machine, device) or (
        shares_heads(machine, device) and reach <= off < device.align - reach
    )
    return overwritten and machine.probe("compound_head_after_tails", since=(6, 18))


def overruns(machine: Machine, device: Devdax) -> bool:
    """Whether more struct pages are initialised than radix has, behind the namespace's end.

    Those of the two pages that a compound keeps are, however little of the last one is there.
    """
    rest = device.align - device.start % device.align
    kept = RESERVED_PAGES * _struct_page_reach(machine)
    return shares_heads(machine, device) and rest < kept


def _struct_page_reach(machine: Machine) -> int:
    """Bytes of memory that one page of struct pages stands for."""
    return machine.page // machine.kernel.struct_page_bytes * machine.page
