"""Kconfig symbols that an architecture decides about, and from which version on.

An architecture is told by a symbol of its own that its targets' kernels ask for. What stands
here is assumed of kernels that nobody built, and held against the .config of every other.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

NEWEST = 1 << 20
"""More than any part of a version."""

X86, ARM64, S390 = "X86_MCE", "ARM64_PMEM", "S390_GUEST"
POWERPC, RADIX = "PAPR_SCM", "PPC_RADIX_MMU"


@dataclass(frozen=True, slots=True)
class Gate:
    """A symbol that is there with one of ``by``, from version ``since`` until ``before``.

    ``asked`` is one that has to be asked for as well; none asks for the others, which are
    selected.
    """

    symbol: str
    by: tuple[str, ...]
    since: tuple[int, int]
    before: tuple[int, int] = (NEWEST, 0)
    asked: bool = False

    def is_open(self, branch: tuple[int, int], config: Container[str]) -> bool:
        """Whether it lets the symbol through in a kernel that has these symbols."""
        return self.since <= branch < self.before and any(symbol in config for symbol in self.by)


# arch/*/Kconfig, mm/Kconfig and fs/Kconfig of 6.1.192, 6.12.117 and 7.2.13; the names between
# them from 0b376f1e0ff5 (6.4) and 0b6f15824cc7 (6.6).
GATES = (
    Gate("HAVE_ALIGNED_STRUCT_PAGE", (X86, ARM64, S390), (3, 2)),
    Gate("HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD", (X86,), (4, 15)),
    Gate("HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD", (POWERPC,), (6, 6)),
    Gate("ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP", (X86,), (5, 14), (6, 4)),
    Gate("ARCH_WANT_OPTIMIZE_VMEMMAP", (X86,), (6, 4), (6, 6)),
    Gate("ARCH_WANT_OPTIMIZE_HUGETLB_VMEMMAP", (X86,), (6, 6)),
    Gate("HUGETLB_PAGE_OPTIMIZE_VMEMMAP", (X86,), (5, 18)),
    Gate("ARCH_WANT_OPTIMIZE_DAX_VMEMMAP", (X86, RADIX), (6, 6)),
    Gate("ARCH_HAS_PTE_DEVMAP", (X86, ARM64, POWERPC), (5, 3), (6, 17)),
    Gate("ZONE_DEVICE", (X86, ARM64, POWERPC), (5, 3), asked=True),
    Gate("ZONE_DEVICE", (S390,), (6, 17), asked=True),
    Gate("FS_DAX", (X86, ARM64, POWERPC), (5, 3), asked=True),
    Gate("FS_DAX", (S390,), (6, 17), asked=True),
    Gate("MEMORY_FAILURE", (X86, ARM64, POWERPC), (4, 13), asked=True),
)


def gates_of(symbol: str) -> Iterator[Gate]:
    """Every gate of a symbol; none for one that no architecture decides about."""
    return (gate for gate in GATES if gate.symbol == symbol)
