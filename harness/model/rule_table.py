"""The rules themselves: what the kernel, ndctl or QEMU does, and where that is written.

Sources are file and function of Linux (6.1.192 and 7.2.13 were read, 7.3.4 for kmem's state), of
ndctl 76.1, or of the tool that is named.
"""

from __future__ import annotations

from harness.model.dax_rules import DAX_RULES
from harness.model.defects import DEFECT_RULES
from harness.model.kconfig_rules import KCONFIG_RULES
from harness.model.life_rules import LIFE_RULES
from harness.model.mapping_rules import MAPPING_RULES
from harness.model.ndctl_test_rules import NDCTL_TEST_RULES
from harness.model.rdma_rules import RDMA_RULES
from harness.model.rule_table_memory import MEMORY_TABLE
from harness.records import Rule

_PFN = "Linux drivers/nvdimm/pfn_devs.c"
_REGION = "Linux drivers/nvdimm/region_devs.c"
_VALIDATE = "ndctl ndctl/namespace.c validate_namespace_options"
_DEFAULTS = "ndctl ndctl/namespace.c set_defaults"
_GUP = "Linux mm/gup.c"
_GUP_TEST = "Linux mm/gup_test.c __gup_test_ioctl"
_GUP_TOOL = "Linux tools/testing/selftests/mm/gup_test.c"
_DEVDAX = "Linux drivers/dax/device.c"

TABLE: tuple[Rule, ...] = (
    Rule(
        "guest.page-size",
        "The guest runs with the target's base page size.",
        "target data file; kernel configuration",
    ),
    Rule(
        "guest.pmd-size",
        "A transparent huge page is one PMD: 16M on hash with 64K pages, 2M on radix, x86 and"
        " arm64 with 4K pages, 1M on s390. 0 stands for a guest that has none.",
        "Linux mm/huge_memory.c hpage_pmd_size; arch/powerpc/mm/book3s64/hash_pgtable.c"
        " hash__has_transparent_hugepage",
    ),
    Rule(
        "guest.mmu",
        "/proc/cpuinfo of a pseries guest ends with the MMU in use.",
        "Linux arch/powerpc/platforms/pseries/setup.c pSeries_show_cpuinfo",
    ),
    Rule("guest.release", "The kernel that runs is the one that was built.", "uname(2)"),
    Rule(
        "pmem.none",
        "Without an nvdimm device, or without the kernel's driver for it, no region exists.",
        "QEMU 10.0 -device help; Linux drivers/nvdimm/Kconfig, drivers/acpi/nfit/Kconfig,"
        " arch/powerpc/platforms/pseries/Kconfig",
    ),
    Rule(
        "region.count",
        "Every nvdimm becomes a region of its own.",
        "QEMU hw/acpi/nvdimm.c, hw/ppc/spapr_nvdimm.c; Linux drivers/acpi/nfit/core.c,"
        " arch/powerpc/platforms/pseries/papr_scm.c",
    ),
    Rule(
        "region.place",
        "A region starts where the device was put and has its size, the label area left out.",
        "QEMU hw/mem/nvdimm.c nvdimm_prepare_memory_region",
    ),
    Rule(
        "region.set-cookie",
        "A region of papr_scm is known again by its device's UUID: the cookie that its labels are"
        " held against is the last eight bytes, taken for a little-endian number on any machine.",
        f"Linux arch/powerpc/platforms/pseries/papr_scm.c papr_scm_probe; {_REGION}"
        " set_cookie_show, nd_region_interleave_set_cookie (cookie2, of labels from 1.2 on)",
    ),
    Rule(
        "region.available",
        "Space is handed out in units of 16M (of a page, in a region below 16M): what is left"
        " over at the end counts as not available.",
        f"{_REGION} default_align; drivers/nvdimm/dimm_devs.c nd_pmem_available_dpa,"
        " nd_pmem_max_contiguous_dpa",
    ),
    Rule(
        "align.supported",
        "A namespace may be aligned to a page, to a PMD where huge pages exist, and to a PUD"
        " where the MMU maps those: x86_64, and radix from 6.6. Never on hash, arm64 or s390.",
        f"{_PFN} nd_pfn_supported_alignments; arch/powerpc/include/asm/book3s/64/pgtable.h"
        " has_transparent_pud_hugepage (27af67f35631)",
    ),
    Rule(
        "ndctl.map-mode",
        "--map goes with fsdax and devdax only; ndctl prints its usage.",
        _DEFAULTS,
    ),
    Rule(
        "ndctl.align-power",
        "--align is a power of two and at least a page; ndctl prints its usage.",
        _DEFAULTS,
    ),
    Rule(
        "ndctl.no-space",
        "More than the largest free extent, or anything in a full region, is refused; without a"
        " size all of that extent is taken. The exit status says ENODEV, the message ENOSPC.",
        "ndctl ndctl/namespace.c validate_available_capacity, cmd_create_namespace",
    ),
    Rule("ndctl.align-mode", "raw and sector namespaces take no --align.", _VALIDATE),
    Rule(
        "ndctl.unsupported-align",
        "An alignment that the kernel does not list is refused by ndctl itself.",
        _VALIDATE,
    ),
    Rule(
        "ndctl.region-align",
        "The size is a multiple of the region's align attribute, 16M.",
        _VALIDATE,
    ),
    Rule(
        "ndctl.size-align",
        "The size is a multiple of the namespace's alignment; also where no size was given and"
        " ndctl took all there is.",
        _VALIDATE,
    ),
    Rule(
        "ndctl.smallest",
        "Only a raw namespace may be smaller than 16M; in regions of 16M and more such a size"
        " meets ndctl.region-align first.",
        _VALIDATE,
    ),
    Rule(
        "ndctl.sector-size",
        "A BTT has sectors of 512, 520, 528, 4096, 4104, 4160 or 4224 bytes, other namespaces"
        " of 512 or 4096.",
        f"{_VALIDATE}; Linux drivers/nvdimm/btt_devs.c btt_lbasize_supported,"
        " namespace_devs.c pmem_lbasize_supported",
    ),
    Rule(
        "ns.created",
        "A request that ndctl and the kernel both accept leaves a namespace of that mode.",
        "ndctl ndctl/namespace.c setup_namespace",
    ),
    Rule(
        "ns.struct-page",
        "With struct pages above 64 bytes (debug options) map=dev is refused, unless"
        " NVDIMM_KMSAN is built in.",
        f"{_PFN} nd_pfn_init",
    ),
    Rule(
        "ns.no-room",
        "Where data would start at or behind the namespace's end the kernel answers ENXIO,"
        ' "unable to satisfy requested alignment". Since 6.6 the end that alignment cuts off'
        " counts; before, a namespace of size 0 came out.",
        f"{_PFN} nd_pfn_init; ndctl ndctl/lib/libndctl.c ndctl_dax_enable, ndctl_pfn_enable",
    ),
    Rule(
        "ns.map",
        "Struct pages live on the device unless --map=mem asks for RAM.",
        f"{_DEFAULTS}; {_PFN} mode_store",
    ),
    Rule(
        "ns.align",
        "The alignment is the one asked for; by default a PMD, or a page where the region's start"
        " is not a multiple of that. The kernel's compat alignment does not show in it.",
        f"{_VALIDATE}; {_PFN} nd_pfn_default_alignment",
    ),
    Rule(
        "ns.data-offset",
        "Data starts at the first multiple of max(align, memremap_compat_align) behind 8K of"
        " info block and, with map=dev, 64 bytes for each page; compat is 2M, on hash the page"
        " size of the linear map where that is more.",
        f"{_PFN} nd_pfn_init; mm/memremap.c and arch/powerpc/mm/book3s64/pgtable.c"
        " memremap_compat_align",
    ),
    Rule(
        "ns.end-trunc",
        "Data ends at the last multiple of max(align, memremap_compat_align) within the"
        " namespace; the rest is cut off.",
        f"{_PFN} nd_pfn_init",
    ),
    Rule(
        "ns.size",
        "The device offers what the namespace holds less the data offset.",
        f"{_PFN} size_show; drivers/nvdimm/pmem.c pmem_attach_disk; drivers/dax/pmem.c"
        " __dax_pmem_probe",
    ),
    Rule(
        "ns.raw-size",
        "A raw namespace offers every byte it holds.",
        "Linux drivers/nvdimm/pmem.c pmem_attach_disk",
    ),
    Rule(
        "ns.device",
        "devdax gives a character device, every other mode a block device.",
        "ndctl ndctl/json.c util_namespace_to_json",
    ),
    Rule(
        "btt.capacity",
        "A BTT offers, for each arena of up to 512G, as many blocks as fit beside info blocks,"
        " log and map, less 256 free ones.",
        "Linux drivers/nvdimm/btt.c alloc_arena, create_arenas, btt_blk_init",
    ),
    Rule(
        "btt.sector-size",
        "A sector namespace has the sector size asked for; 4096 by default.",
        _DEFAULTS,
    ),
    Rule(
        "ns.block-size",
        "The block device of a raw or fsdax namespace has blocks of the sector size asked for,"
        " which its label keeps, and of 512 bytes where none was; that of a sector namespace has"
        " 4096 where its sectors are as large, else 512.",
        "Linux drivers/nvdimm/namespace_devs.c pmem_sector_size, create_namespace_pmem;"
        " drivers/nvdimm/btt.c btt_init",
    ),
    Rule(
        "ns.direct-map",
        "What the kernel maps of a namespace for itself it unmaps with it, and counts so.",
        "Linux arch/x86/mm/init_64.c remove_pagetable; arch/powerpc/mm/book3s64/radix_pgtable.c"
        " remove_pagetable (update_page_count)",
    ),
    Rule(
        "ns.churn",
        "A namespace that comes and goes leaves nothing, however often: no space, no struct"
        " pages, no page tables.",
        "Linux mm/memremap.c memremap_pages, memunmap_pages; mm/sparse.c section_deactivate",
    ),
    Rule(
        "ns.destroyed",
        "After every namespace of a region is destroyed none is left, and all its space is"
        " available again.",
        "ndctl ndctl/namespace.c namespace_destroy; Linux drivers/nvdimm/namespace_devs.c"
        " size_store",
    ),
    Rule(
        "gup.no-device",
        "Where the region has no devdax device or no file system there is nothing to map, or to"
        " turn into RAM.",
        "harness/scenario/steps.py GupTest, ReconfigureDevice",
    ),
    Rule(
        "gup.ioctl-succeeds",
        "gup_test's ioctl succeeds whatever becomes of the pages.",
        _GUP_TEST,
    ),
    Rule("gup.results", "gup_test prints one result for each repeat.", _GUP_TOOL),
    Rule(
        "gup.complete",
        "All pages are taken, and then nothing is printed about truncation.",
        f"{_GUP_TEST}; {_GUP_TOOL}",
    ),
    Rule(
        "gup.partial",
        "Where GUP meets pages that are not there, an error ends gup_test's loop and what came"
        " before it is told as truncated; a call that gets some of its pages ends it too, but"
        " counts whole, and as the last or only call goes unnoticed.",
        f"{_GUP_TEST}; {_GUP} __get_user_pages",
    ),
    Rule(
        "gup.pin-count",
        "Every pinned base page counts once in nr_foll_pin_acquired, and once in"
        " nr_foll_pin_released when let go; longterm pins too.",
        f"{_GUP} try_grab_folio, gup_put_folio",
    ),
    Rule(
        "gup.get-counters",
        "get_user_pages takes references, not pins: neither counter moves.",
        f"{_GUP} try_grab_folio",
    ),
    Rule(
        "gup.fsdax-longterm",
        "Pages of a DAX file are not pinned for long: EOPNOTSUPP at the first, however mapped.",
        f"{_GUP} check_vma_flags (vma_is_fsdax)",
    ),
    Rule(
        "gup.vain-pins",
        "The fast path takes an entry's pages before it sees that a file tracks their being written"
        " to, and gives them back; the slow path then decides.",
        "Linux 6.12, 7.2 mm/gup.c gup_fast_folio_allowed, gup_put_folio",
    ),
    Rule(
        "gup.file-longterm",
        "From 6.5 shared file pages that need dirty tracking are not pinned for long to write:"
        " EFAULT.",
        f"{_GUP} writable_file_mapping_allowed",
    ),
    Rule(
        "devdax.private",
        "A device-dax is mapped MAP_SHARED or not at all.",
        f"{_DEVDAX} check_vma",
    ),
    Rule(
        "devdax.unaligned",
        "A mapping of device-dax starts and ends at multiples of its alignment.",
        f"{_DEVDAX} check_vma",
    ),
    Rule(
        "devdax.nohuge",
        "device-dax maps entries of exactly its alignment; MADV_NOHUGEPAGE rules out entries"
        " above a page, and the fault ends in SIGBUS.",
        f"{_DEVDAX} dev_dax_huge_fault; mm/huge_memory.c hugepage_vma_check (6.1),"
        " vma_thp_disabled (7.2)",
    ),
    Rule(
        "devdax.past-end",
        "Mapping past a device's end succeeds, touching it is SIGBUS.",
        f"{_DEVDAX} dax_pgoff_to_phys",
    ),
    Rule(
        "file.past-end",
        "Touching a mapping past the page that holds a file's end is SIGBUS.",
        "mmap(2); Linux mm/filemap.c filemap_fault, fs/dax.c dax_iomap_fault",
    ),
    Rule(
        "hugetlb.size",
        "The default hugetlb page is a PMD; on hash 16M, where the hypervisor offers them.",
        "Linux mm/hugetlb.c hugetlb_init; arch/powerpc/mm/hugetlbpage.c"
        " hugetlbpage_init_defaultsize",
    ),
    Rule(
        "thp.faults",
        "Every whole huge page in a mapping with MADV_HUGEPAGE is faulted in as one.",
        "Linux mm/huge_memory.c do_huge_pmd_anonymous_page",
    ),
    Rule(
        "fs.dax",
        "A file system on an fsdax namespace mounts with -o dax and maps files directly.",
        "Linux drivers/dax/super.c fs_dax_get_by_bdev",
    ),
    Rule(
        "fs.block-size",
        "The block size is the page size, which DAX needs.",
        "Linux fs/ext4/super.c, fs/xfs/xfs_super.c xfs_setup_dax_always",
    ),
    Rule("fs.file", "The file has the size that was written.", "write(2)"),
    Rule(
        "file.read-end",
        "read() ends where the file does, whether a hole or what was written is there.",
        "POSIX read; Linux fs/dax.c dax_iomap_iter (i_size_read)",
    ),
    Rule(
        "file.fresh-zero",
        "What nobody wrote of a block that a file gets is zero, beside what was written to it and"
        " whatever the block held before.",
        "POSIX write, truncate; Linux fs/ext4/inode.c ext4_iomap_alloc"
        " (EXT4_GET_BLOCKS_CREATE_ZERO), fs/xfs/xfs_iomap.c xfs_iomap_write_direct"
        " (XFS_BMAPI_ZERO)",
    ),
    Rule(
        "file.store-time",
        "A store through a shared mapping moves the file's times of modification and change, by"
        " msync() at the latest.",
        "POSIX mmap, msync; Linux fs/ext4/file.c ext4_dax_huge_fault, fs/xfs/xfs_file.c"
        " __xfs_filemap_fault (file_update_time)",
    ),
    Rule(
        "fs.needs-block-device",
        "There is nothing to put a file system on, or to write to.",
        "harness/scenario/steps.py Filesystem, WriteRead",
    ),
    Rule(
        "fs.xfs-smallest",
        "mkfs.xfs refuses devices below 300M.",
        "xfsprogs 6.1 mkfs/xfs_mkfs.c validate_supported",
    ),
    Rule(
        "fs.ext4-dax",
        "ext4 refuses -o dax on a device without DAX: raw and sector namespaces.",
        "Linux fs/ext4/super.c (EXT4_FLAGS_BDEV_IS_DAX); drivers/nvdimm/pmem.c"
        " pmem_attach_disk (PFN_MAP)",
    ),
    Rule(
        "fs.xfs-without-dax",
        "xfs turns DAX off on a device without it, says so, and mounts.",
        "Linux fs/xfs/xfs_super.c xfs_setup_dax_always",
    ),
    Rule(
        "block.write-read",
        "What was written is read back once caches are dropped.",
        "Linux drivers/nvdimm/pmem.c pmem_do_write, btt.c btt_write_pg",
    ),
    *MEMORY_TABLE,
    *KCONFIG_RULES,
    *DAX_RULES,
    *MAPPING_RULES,
    *LIFE_RULES,
    *RDMA_RULES,
    *NDCTL_TEST_RULES,
    *DEFECT_RULES,
)
