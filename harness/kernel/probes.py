"""Questions to a kernel's source that its version number does not answer.

Stable branches and patch series bring changes of their own, so each question is put to
the file that shows the answer. A question that makes no sense in a tree has no answer.
Each is worded so that yes is the later state: ``harness.kernel.held`` relies on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

# The predicate of the vmemmap optimisation, as the first thing below a question to the
# architecture (ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP and its later names).
_GATED_PREDICATE = re.compile(
    r"^#\s*if(?:def|\s+(?:defined|IS_ENABLED)\s*\(?)\s*CONFIG_ARCH_WANT_\w*VMEMMAP\b.*\n"
    r"(?:(?!#\s*(?:if|else|elif|endif)).*\n){0,3}?"
    r".*\b_*vmemmap_can_optimize\(",
    re.MULTILINE,
)
_RADIX = "arch/powerpc/mm/book3s64/radix_pgtable.c"
_KERNEL_TABLE_COUNTED = re.compile(r"GFP_PGTABLE_KERNEL[^}]*pagetable_pte_ctor\(")
_TOOL = "tools/testing/selftests/mm/gup_test.c"
_RXE_PAGE_LIST = re.compile(r"\bk[cz]alloc\w*\([^;]*struct rxe_mr_page\b")
_END_CUT_CHECKED = re.compile(r"offset >= \(?\s*size - end_trunc\b")


def dax_refcount_rework(source: Path) -> bool | None:
    """Whether DAX pages are reference-counted folios (aed877c2b425, 38607c62b34b; 6.15).

    Reads mm/huge_memory.c: vmf_insert_folio_pmd came with it.
    """
    text = _read(source / "mm/huge_memory.c")
    return None if text is None else "vmf_insert_folio_pmd" in text


def namespace_end_trunc_checked(source: Path) -> bool | None:
    """Whether nd_pfn_init refuses a namespace that its cut end leaves nothing of.

    Reads drivers/nvdimm/pfn_devs.c.
    """
    text = _read(source / "drivers/nvdimm/pfn_devs.c")
    return None if text is None else _END_CUT_CHECKED.search(text) is not None


def vmemmap_optimize_checks_radix(source: Path) -> bool | None:
    """Whether the vmemmap optimisation asks the architecture first (87a7ae75d738; 6.4).

    Before it, powerpc's hash MMU was given shared vmemmap pages and crashed. Reads
    include/linux/mm.h and, for kernels before the predicate, mm/sparse-vmemmap.c. None
    where there is no optimisation yet.
    """
    header = _read(source / "include/linux/mm.h")
    if header is None:
        return None
    if "vmemmap_can_optimize(" in header:
        return _GATED_PREDICATE.search(header) is not None
    code = _read(source / "mm/sparse-vmemmap.c") or ""
    return False if "vmemmap_populate_compound_pages" in code else None


def radix_pud_thp(source: Path) -> bool | None:
    """Whether powerpc's radix MMU offers PUD-sized mappings (27af67f35631; 6.6).

    Reads arch/powerpc/include/asm/book3s/64/pgtable.h.
    """
    text = _read(source / "arch/powerpc/include/asm/book3s/64/pgtable.h")
    return None if text is None else "has_transparent_pud_hugepage" in text


def radix_own_vmemmap(source: Path) -> bool | None:
    """Whether radix populates vmemmap by code of its own (368a0590d954; 6.6).

    Reads arch/powerpc/mm/book3s64/radix_pgtable.c.
    """
    text = _read(source / _RADIX)
    return None if text is None else "radix__vmemmap_populate(" in text


def radix_vmemmap_whole_blocks(source: Path) -> bool | None:
    """Whether radix without an altmap takes vmemmap in whole PMDs, wherever it starts.

    Reads the same file.
    """
    text = _read(source / _RADIX)
    return None if text is None else "start = ALIGN_DOWN(start, PMD_SIZE);" in text


def arm64_generic_vmemmap(source: Path) -> bool | None:
    """Whether arm64 fills vmemmap by the generic code, which knows no fallback (6.2).

    Reads arch/arm64/mm/mmu.c.
    """
    text = _read(source / "arch/arm64/mm/mmu.c")
    return None if text is None else "vmemmap_populate_hugepages(" in text


def memmap_counted(source: Path) -> bool | None:
    """Whether /proc/vmstat counts the pages that hold struct pages (6.11).

    Reads mm/vmstat.c.
    """
    text = _read(source / "mm/vmstat.c")
    return None if text is None else '"nr_memmap_pages"' in text


def memmap_counts_shared(source: Path) -> bool | None:
    """Whether that counter knows of shared struct pages.

    Reads mm/sparse-vmemmap.c and mm/sparse.c; None where nothing is counted.
    """
    texts = (_read(source / "mm/sparse-vmemmap.c"), _read(source / "mm/sparse.c"))
    counting = "".join(text for text in texts if text and "memmap_pages_add(" in text)
    return "section_nr_vmemmap_pages(" in counting if counting else None


def dax_pud_fault_size_fits(source: Path) -> bool | None:
    """Whether device-dax compares an alignment with a PUD's true size, 16G on hash.

    Reads drivers/dax/device.c.
    """
    handler = _function(source / "drivers/dax/device.c", "__dev_dax_pud_fault")
    if handler is None:
        return None
    cut_off = re.search(r"unsigned int fault_size = PUD_SIZE\b", handler)
    return cut_off is None or "fault_size < dev_dax->align" not in handler


def folio_heads_anywhere(source: Path) -> bool | None:
    """Whether a folio may start anywhere, its head not being found by a mask.

    Reads include/linux/page-flags.h.
    """
    text = _read(source / "include/linux/page-flags.h")
    return None if text is None else "compound_info_has_mask(" not in text


def kernel_tables_counted(source: Path) -> bool | None:
    """Whether nr_page_table_pages counts page tables of the kernel itself as well (6.16).

    Reads include/asm-generic/pgalloc.h, which powerpc and s390 have their own of.
    """
    text = _read(source / "include/asm-generic/pgalloc.h")
    return None if text is None else _KERNEL_TABLE_COUNTED.search(text) is not None


def radix_compounds_from_start(source: Path) -> bool | None:
    """Whether radix counts compounds from where a namespace starts, as all others do.

    Reads arch/powerpc/mm/book3s64/radix_pgtable.c; None where it shares no struct pages.
    """
    path = source / _RADIX
    text = _function(path, "vmemmap_populate_compound_pages")
    return None if text is None else "ALIGN_DOWN(addr_pfn, nr_pages)" not in text


def unbind_waits_for_pages(source: Path) -> bool | None:
    """Whether memunmap_pages waits until nobody holds a page (until 5.17; 27674ef6c73f).

    Since then each page's reference to the pagemap is dropped there, whoever holds the page.
    A mend would drop those where pages become free. Reads mm/memremap.c.
    """
    text = _function(source / "mm/memremap.c", "memunmap_pages")
    return None if text is None else "percpu_ref_put_many(" not in text


def sections_begin_compounds(source: Path) -> bool | None:
    """Whether a compound may begin within a section and still have a head of its own.

    Reads mm/sparse-vmemmap.c; None where no struct pages are shared.
    """
    path = source / "mm/sparse-vmemmap.c"
    if _function(path, "vmemmap_populate_compound_pages") is None:
        return None
    asked = _function(path, "reuse_compound_section")
    return asked is None or "!IS_ALIGNED(offset, nr_pages)" not in asked


def arm64_parts_from_ram(source: Path) -> bool | None:
    """Whether arm64 takes struct pages of a part of a section from RAM, as x86 does.

    Reads arch/arm64/mm/mmu.c.
    """
    text = _function(source / "arch/arm64/mm/mmu.c", "vmemmap_populate")
    if text is None or "PAGES_PER_SECTION" not in text:
        return None
    return re.search(r"vmemmap_populate_basepages\([^;]*\bNULL\)", text) is not None


def arm64_vmemmap_kept(source: Path) -> bool | None:
    """Whether arm64 leaves a page of vmemmap alone that has struct pages of others.

    Reads arch/arm64/mm/mmu.c, for what x86 and s390 do so by.
    """
    text = _function(source / "arch/arm64/mm/mmu.c", "unmap_hotplug_pte_range")
    return None if text is None else "memchr_inv" in text or "unuse" in text


def arm64_rodata_full(source: Path) -> bool | None:
    """Whether arm64 write-protects the linear map's aliases unless told otherwise (6.18).

    Reads arch/arm64/mm/pageattr.c; before, a symbol of the configuration tells.
    """
    text = _read(source / "arch/arm64/mm/pageattr.c")
    return None if text is None else "bool rodata_full __ro_after_init = true;" in text


def compound_head_after_tails(source: Path) -> bool | None:
    """Whether the head of a device's compound is prepared once all its tails are (6.18).

    Reads mm/mm_init.c.
    """
    text = _function(source / "mm/mm_init.c", "memmap_init_compound")
    return None if text is None else "if (pfn == head_pfn +" not in text


def vmemmap_shared(source: Path) -> bool | None:
    """Whether compounds of devices share struct pages at all (4917f55b4ef9; 5.19).

    Reads mm/sparse-vmemmap.c.
    """
    text = _read(source / "mm/sparse-vmemmap.c")
    return None if text is None else "vmemmap_populate_compound_pages" in text


def longterm_asks_dirty_tracking(source: Path) -> bool | None:
    """Whether shared pages of files with dirty tracking are not pinned for long (6.5).

    Reads mm/gup.c.
    """
    text = _read(source / "mm/gup.c")
    return None if text is None else "writable_file_mapping_allowed(" in text


def foll_flags_renumbered(source: Path) -> bool | None:
    """Whether FOLL_LONGTERM is 1 << 8, one of an enum's values, not 0x10000 (about 6.3).

    Reads include/linux/mm_types.h.
    """
    text = _read(source / "include/linux/mm_types.h")
    return None if text is None else bool(re.search(r"\bFOLL_LONGTERM\s*=\s*1 << 8\b", text))


def gup_grabs_folios(source: Path) -> bool | None:
    """Whether references are taken by folio, not by page (f442fa614137; 6.10).

    Reads mm/gup.c.
    """
    text = _read(source / "mm/gup.c")
    return None if text is None else "__must_check try_grab_page(" not in text


def gup_test_rounds_hugetlb(source: Path) -> bool | None:
    """Whether gup_test rounds what it maps of hugetlb up to whole huge pages (7.x).

    Reads tools/testing/selftests/mm/gup_test.c, in vm/ before 6.3.
    """
    text = _read(source / _TOOL) or _read(source / _TOOL.replace("/mm/", "/vm/"))
    return None if text is None else "~(hp_size - 1)" in text


def rdma_persistent_access(source: Path) -> bool | None:
    """Whether RDMA's memory regions know the access flag of persistent flushes (6.2).

    Reads include/rdma/ib_verbs.h.
    """
    text = _read(source / "include/rdma/ib_verbs.h")
    return None if text is None else "IB_ACCESS_FLUSH_PERSISTENT" in text


def rxe_page_list_fits(source: Path) -> bool | None:
    """Whether soft RoCE keeps a region's pages in anything but one piece of kmalloc's.

    Reads drivers/infiniband/sw/rxe/rxe_mr.c.
    """
    text = _read(source / "drivers/infiniband/sw/rxe/rxe_mr.c")
    return None if text is None else _RXE_PAGE_LIST.search(text) is None


def hmem_for_kmem(source: Path) -> bool | None:
    """Whether devices of soft-reserved memory go to kmem by default (6.3).

    Reads drivers/dax/hmem/hmem.c.
    """
    text = _read(source / "drivers/dax/hmem/hmem.c")
    return None if text is None else "IORESOURCE_DAX_KMEM" in text


def kmem_state(source: Path) -> bool | None:
    """Whether kmem's devices have a state, by which all their memory comes and goes (7.3).

    Reads drivers/dax/kmem.c.
    """
    text = _read(source / "drivers/dax/kmem.c")
    return None if text is None else "DEVICE_ATTR_RW(state)" in text


def hwpoison_action_required(source: Path) -> bool | None:
    """Whether MADV_HWPOISON says that its process cannot go on without the page (6.11).

    Reads mm/madvise.c.
    """
    text = _function(source / "mm/madvise.c", "madvise_inject_error")
    return None if text is None else "MF_ACTION_REQUIRED" in text


def powerpc_block_of_nodes(source: Path) -> bool | None:
    """Whether powerpc makes hotplug blocks as large as its memory nodes allow (6.6).

    Reads arch/powerpc/mm/init_64.c.
    """
    text = _read(source / "arch/powerpc/mm/init_64.c")
    return None if text is None else "probe_memory_block_size(" in text


PROBES: Mapping[str, Callable[[Path], bool | None]] = MappingProxyType(
    {
        probe.__name__: probe
        for probe in (
            dax_refcount_rework,
            namespace_end_trunc_checked,
            vmemmap_optimize_checks_radix,
            radix_pud_thp,
            radix_own_vmemmap,
            radix_vmemmap_whole_blocks,
            arm64_generic_vmemmap,
            memmap_counted,
            memmap_counts_shared,
            dax_pud_fault_size_fits,
            folio_heads_anywhere,
            kernel_tables_counted,
            radix_compounds_from_start,
            sections_begin_compounds,
            arm64_parts_from_ram,
            arm64_vmemmap_kept,
            arm64_rodata_full,
            unbind_waits_for_pages,
            compound_head_after_tails,
            powerpc_block_of_nodes,
            vmemmap_shared,
            longterm_asks_dirty_tracking,
            foll_flags_renumbered,
            gup_grabs_folios,
            gup_test_rounds_hugetlb,
            rdma_persistent_access,
            rxe_page_list_fits,
            hmem_for_kmem,
            kmem_state,
            hwpoison_action_required,
        )
    }
)


def probe_source(source: Path) -> dict[str, bool]:
    """Every answer that the tree gives, by the name of the question."""
    answers = {name: probe(source) for name, probe in PROBES.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _function(path: Path, name: str) -> str | None:
    """The first definition of a function in a file, from its name to its last brace."""
    text = _read(path) or ""
    for found in re.finditer(rf"\b{name}\([^;{{]*\)\s*\{{", text):
        line = text[text.rfind("\n", 0, found.start()) + 1 :]
        end = text.find("\n}", found.end())
        if line[:1].isalpha() and end >= 0:
            return text[found.start() : end]
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
