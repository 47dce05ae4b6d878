"""Rules of what architectures let a kernel be configured with.

Which of them do, and from which version on, stands in their targets' data files (``gates``).
"""

from __future__ import annotations

from harness.records import Rule

_DATA = "`gates` in qemu/*.yaml"

KCONFIG_RULES: tuple[Rule, ...] = (
    Rule(
        "kconfig.aligned-struct-page",
        "struct page is aligned to two words where the architecture asks for that: not on powerpc.",
        f"Linux arch/*/Kconfig HAVE_ALIGNED_STRUCT_PAGE; {_DATA}",
    ),
    Rule(
        "kconfig.pud-thp",
        "Huge pages of PUDs are there where the architecture has them: on powerpc in a kernel of"
        " hash alone as well.",
        f"Linux arch/*/Kconfig HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD (27af67f35631); {_DATA}",
    ),
    Rule(
        "kconfig.hugetlb-vmemmap",
        "Struct pages of hugetlb are shared where the architecture asks for that: by"
        " ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP until 6.3, ARCH_WANT_OPTIMIZE_VMEMMAP in 6.4"
        " and 6.5, ARCH_WANT_OPTIMIZE_HUGETLB_VMEMMAP from 6.6.",
        "Linux arch/*/Kconfig; fs/Kconfig HUGETLB_PAGE_OPTIMIZE_VMEMMAP (0b376f1e0ff5,"
        f" 0b6f15824cc7); {_DATA}",
    ),
    Rule(
        "kconfig.dax-vmemmap",
        "From 6.6 sharing struct pages of DAX devices has a symbol of its own, which an"
        " architecture selects or not, and powerpc with radix compiled in.",
        "Linux arch/*/Kconfig ARCH_WANT_OPTIMIZE_DAX_VMEMMAP (0b6f15824cc7, f2b79c0d7968);"
        f" {_DATA}",
    ),
    Rule(
        "kconfig.pte-devmap",
        "Device pages are marked in page tables where the architecture has a bit for that, until"
        " 6.17 has no use for the mark; s390 never had.",
        f"Linux arch/*/Kconfig ARCH_HAS_PTE_DEVMAP; {_DATA}",
    ),
    Rule(
        "kconfig.zone-device",
        "ZONE_DEVICE, and FS_DAX with it, depends on memory hotplug, and until 6.17 dropped that on"
        " ARCH_HAS_PTE_DEVMAP: s390 cannot have it before.",
        f"Linux mm/Kconfig ZONE_DEVICE; fs/Kconfig FS_DAX; {_DATA}",
    ),
    Rule(
        "kconfig.memory-failure",
        "The kernel recovers from memory errors where the architecture supports that: not on s390.",
        f"Linux arch/*/Kconfig ARCH_SUPPORTS_MEMORY_FAILURE; {_DATA}",
    ),
)
