"""The rules about persistence and the order of life."""

from __future__ import annotations

from harness.records import Rule

_LABEL = "Linux drivers/nvdimm/label.c"

LIFE_RULES: tuple[Rule, ...] = (
    Rule(
        "power.namespaces",
        "Namespaces are there again after the power was cut, as they were made: labels and info"
        " blocks were written before ndctl returned.",
        f"{_LABEL} __pmem_label_update; drivers/nvdimm/namespace_devs.c scan_labels; btt.c"
        " discover_arenas; pfn_devs.c nd_pfn_validate",
    ),
    Rule(
        "power.memmap",
        "At boot each namespace with struct pages has as many of them initialised as when it was"
        " made, whichever is probed first.",
        "Linux mm/mm_init.c (6.1: mm/page_alloc.c) memmap_init_zone_device; drivers/nvdimm/bus.c"
        " nd_async_device_register",
    ),
    Rule(
        "label.checked",
        "An index block without its signature is passed over, with a debug message.",
        f"{_LABEL} __nd_label_validate",
    ),
    Rule(
        "label.other-index",
        "One index block of two is enough. Each update of a label writes both, one after the"
        " other: the label with its flag UPDATING, and the label without.",
        f"{_LABEL} __nd_label_validate, nd_pmem_namespace_label_update",
    ),
    Rule(
        "label.lost",
        "Without an index block there are no labels: ACPI's NFIT gives one raw namespace of the"
        " whole region, which counts as free all the same, papr_scm an empty region.",
        f"{_LABEL} nd_label_data_init, nd_label_reserve_dpa; drivers/nvdimm/region_devs.c"
        " nd_region_to_nstype; arch/powerpc/platforms/pseries/papr_scm.c papr_scm_nvdimm_init"
        " (NDD_LABELING)",
    ),
    Rule(
        "data.mapped",
        "What was stored through one shared mapping, or written below it, is read through the"
        " next, whatever mprotect() did to that, and by /proc/self/mem.",
        "POSIX mmap, mprotect; Linux fs/dax.c dax_iomap_fault, dax_iomap_iter"
        " (invalidate_inode_pages2_range), drivers/dax/device.c dev_dax_huge_fault,"
        " mm/memory.c __access_remote_vm, mm/huge_memory.c follow_devmap_pmd",
    ),
    Rule(
        "data.hole-end",
        "A hole ends with its last byte, which may be within a page: what is behind stays.",
        "fallocate(2) FALLOC_FL_PUNCH_HOLE; Linux fs/dax.c dax_zero_iter, dax_memzero",
    ),
    Rule(
        "data.kept",
        "What was flushed is still there when the power was cut.",
        "POSIX fsync, msync; Linux drivers/nvdimm/pmem.c pmem_do_write, btt.c btt_write_pg;"
        " QEMU backends/hostmem-file.c (share=on)",
    ),
    Rule(
        "life.device-gone",
        "A device-dax can be disabled while it is mapped: its entries go from every process, and"
        " an access is SIGBUS from then on.",
        "Linux drivers/dax/bus.c kill_dev_dax; drivers/dax/device.c check_vma (dax_alive)",
    ),
    Rule(
        "life.enabled-again",
        "A namespace that is enabled again has the device that it had.",
        "Linux drivers/dax/pmem.c __dax_pmem_probe; drivers/nvdimm/pfn_devs.c nvdimm_setup_pfn",
    ),
    Rule(
        "life.io-fails",
        "A block device can be disabled under I/O: what is under way ends, what comes later fails.",
        "Linux drivers/nvdimm/pmem.c pmem_release_disk, btt.c btt_blk_cleanup; block/genhd.c"
        " del_gendisk",
    ),
    Rule(
        "life.mounted",
        "ndctl does not disable a namespace with a mounted file system: the block device cannot"
        " be opened exclusively.",
        "ndctl ndctl/lib/libndctl.c ndctl_namespace_disable_safe",
    ),
    Rule(
        "life.held",
        "vmsplice() holds a reference to each page that it puts into a pipe.",
        "Linux fs/splice.c iter_to_pipe; lib/iov_iter.c iov_iter_get_pages2",
    ),
    Rule(
        "life.waits",
        "Truncating a DAX file waits until nobody holds its pages.",
        "Linux fs/ext4/inode.c ext4_break_layouts; fs/xfs/xfs_file.c xfs_break_dax_layouts; from"
        " 6.15 fs/dax.c dax_break_layout",
    ),
    Rule(
        "life.nothing-held",
        "A mapping alone holds nothing up: it is taken away.",
        "Linux drivers/dax/bus.c kill_dev_dax; fs/dax.c dax_layout_busy_page_range",
    ),
    Rule(
        "life.truncated",
        "A DAX file can be truncated while it is mapped, and what was held of it is let go of.",
        "truncate(2); Linux fs/dax.c dax_layout_busy_page_range",
    ),
    Rule(
        "region.read-only",
        "A region is read-only and writable as was last written to its read_only.",
        "Linux drivers/nvdimm/region_devs.c read_only_store",
    ),
    Rule(
        "region.disk-follows",
        "The block devices of a region's namespaces become read-only with it, and writable again.",
        "Linux drivers/nvdimm/bus.c nvdimm_check_and_set_ro; pmem.c pmem_revalidate_region",
    ),
    Rule(
        "block.read-only",
        "A read-only block device can be opened, and each write to it is EPERM; a writable one"
        " takes it.",
        "Linux block/fops.c blkdev_write_iter",
    ),
)
