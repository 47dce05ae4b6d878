"""Struct pages of device memory: where they live, how many, and when copies are shared.

Since 5.19 the kernel maps most struct pages of a compound device page to one physical page
(Documentation/mm/vmemmap_dedup.rst). Doing that on an MMU that does not look at the
kernel's page tables is the crash of CVE-2023-53706.
"""

from __future__ import annotations

from harness.model.machine import Machine
from harness.scenario.steps import Map

RESERVED_PAGES = 2
"""vmemmap pages that stay of each compound: its head and one shared tail page."""

# By its names of 6.6 and later, of 6.4 and 6.5, and before (0b376f1e0ff5, 0b6f15824cc7).
_ASKED_FOR = (
    "ARCH_WANT_OPTIMIZE_DAX_VMEMMAP",
    "ARCH_WANT_OPTIMIZE_VMEMMAP",
    "ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP",
)

_FIXED_STABLE = {(6, 1): 184, (6, 2): 16, (6, 3): 2}


def checks_architecture(machine: Machine) -> bool:
    """Whether vmemmap_can_optimize() asks the architecture before it says yes.

    Kernels 5.19 to 6.3 did not; the fix is 87a7ae75d738 (6.4) and its backports.
    """
    seen = machine.kernel.probes.get("vmemmap_optimize_checks_radix")
    if seen is not None:
        return bool(seen)
    *series, patch = machine.kernel.version
    branch = (series[0], series[1])
    if branch < (5, 19) or branch >= (6, 4):
        return True
    return patch >= _FIXED_STABLE.get(branch, 1 << 30)


def vmemmap_pages_per_compound(machine: Machine, align: int) -> int:
    """Whole pages that the struct pages of one ``align``-sized compound take."""
    return align // machine.page * machine.kernel.struct_page_bytes // machine.page


def why_never_optimised(machine: Machine) -> str | None:
    """Why the kernel has the optimisation compiled out, whatever the device; None if it has not."""
    size = machine.kernel.struct_page_bytes
    return f"struct page has {size} bytes, not a power of two" if size & (size - 1) else None


def why_not_optimised(machine: Machine, align: int, map_: Map) -> str | None:
    """Why struct pages of a devdax device are not shared; None where they are.

    Source: include/linux/mm.h and arch/powerpc/mm/book3s64/radix_pgtable.c,
    vmemmap_can_optimize. The symbol that asks for it is selected by x86_64 and, from 6.6,
    by powerpc.
    """
    never = why_never_optimised(machine)
    if never is not None:
        return never
    if map_ == "dev":
        return "struct pages live on the device (map=dev)"
    if align <= machine.page or not machine.probe("vmemmap_shared", (5, 19)):
        return "nothing to share between base pages"
    if not checks_architecture(machine):
        return None
    if not any(machine.kernel.has(symbol) for symbol in _ASKED_FOR):
        return "the architecture does not ask for it"
    if machine.mmu == "hash":
        return "hash maps vmemmap by bolted blocks only"
    pages = vmemmap_pages_per_compound(machine, align)
    if pages <= RESERVED_PAGES:
        return f"a compound of {align:#x} needs {pages} vmemmap pages, which leaves none over"
    return None


def hash_block_span(machine: Machine) -> int:
    """Bytes of physical memory whose struct pages one bolted vmemmap entry maps.

    16G with 64K base pages and entries of 16M.
    """
    return machine.vmemmap_page // machine.kernel.struct_page_bytes * machine.page


def pre_fix_failure(
    machine: Machine, *, start: int, length: int, align: int, map_: Map
) -> str | None:
    """What a kernel without 87a7ae75d738 does wrong with this devdax namespace, or None.

    ``start`` and ``length`` are the range of the whole namespace, info block included.
    Answers for the layout, whatever kernel runs: a layout that gives None cannot show
    the bug.
    """
    size = machine.kernel.struct_page_bytes
    if map_ == "dev" or align <= machine.page or size & (size - 1):
        return None
    if machine.mmu == "hash":
        span = hash_block_span(machine)
        if (start + length - 1) // span > (machine.layout.ram_bytes - 1) // span:
            return f"touches struct pages above {span:#x} that no bolted entry maps"
        return None
    initialised = RESERVED_PAGES * machine.page // size
    pages = align // machine.page
    if machine.mmu == "radix" and initialised > pages:
        return f"initialises {initialised} struct pages for each compound of {pages}"
    return None


def explain_sharing(machine: Machine, *, start: int, length: int, align: int, map_: Map) -> str:
    """Whether struct pages of a devdax namespace are shared, and what the old bug does there."""
    reason = why_not_optimised(machine, align, map_)
    shared = "struct pages shared" if reason is None else f"struct pages not shared: {reason}"
    failure = pre_fix_failure(machine, start=start, length=length, align=align, map_=map_)
    if failure is None:
        return shared
    which = "before" if checks_architecture(machine) else "as here, without"
    return f"{shared}; a kernel {which} 87a7ae75d738 {failure}"
