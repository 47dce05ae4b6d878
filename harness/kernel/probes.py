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
        )
    }
)


def probe_source(source: Path) -> dict[str, bool]:
    """Every answer that the tree gives, by the name of the question."""
    answers = {name: probe(source) for name, probe in PROBES.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
