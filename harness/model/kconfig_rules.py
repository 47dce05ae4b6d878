"""Rules of what architectures let a kernel be configured with."""

from __future__ import annotations

from harness.records import Rule

KCONFIG_RULES: tuple[Rule, ...] = (
    Rule(
        "kconfig.aligned-struct-page",
        "x86, arm64 and s390 align struct page to two words, powerpc does not.",
        "Linux arch/*/Kconfig HAVE_ALIGNED_STRUCT_PAGE",
    ),
    Rule(
        "kconfig.pud-thp",
        "PUDs of huge pages are x86_64's, and from 6.6 powerpc's, hash alone included.",
        "Linux arch/*/Kconfig HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD (27af67f35631)",
    ),
    Rule(
        "kconfig.hugetlb-vmemmap",
        "Of these architectures x86_64 alone shares struct pages of hugetlb. It asks for that by"
        " ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP until 6.3, ARCH_WANT_OPTIMIZE_VMEMMAP in 6.4"
        " and 6.5, ARCH_WANT_OPTIMIZE_HUGETLB_VMEMMAP from 6.6.",
        "Linux arch/*/Kconfig; fs/Kconfig HUGETLB_PAGE_OPTIMIZE_VMEMMAP (0b376f1e0ff5,"
        " 0b6f15824cc7)",
    ),
    Rule(
        "kconfig.dax-vmemmap",
        "From 6.6 sharing struct pages of DAX devices has a symbol of its own, which x86_64"
        " selects, and powerpc with radix compiled in; arm64 and s390 never.",
        "Linux arch/*/Kconfig ARCH_WANT_OPTIMIZE_DAX_VMEMMAP (0b6f15824cc7, f2b79c0d7968)",
    ),
    Rule(
        "kconfig.pte-devmap",
        "x86_64, arm64 and powerpc mark device pages in page tables, until 6.17 has no use for"
        " the mark; s390 never did.",
        "Linux arch/*/Kconfig ARCH_HAS_PTE_DEVMAP",
    ),
    Rule(
        "kconfig.zone-device",
        "ZONE_DEVICE, and FS_DAX with it, depends on ARCH_HAS_PTE_DEVMAP: s390 cannot have it"
        " before 6.17 dropped that.",
        "Linux mm/Kconfig ZONE_DEVICE; fs/Kconfig FS_DAX",
    ),
    Rule(
        "kconfig.memory-failure",
        "x86, arm64 and powerpc recover from memory errors, s390 does not.",
        "Linux arch/*/Kconfig ARCH_SUPPORTS_MEMORY_FAILURE",
    ),
)
