"""Rules of the guest's memory: availability, nodes, struct pages, their number and cost."""

from __future__ import annotations

from harness.records import Rule

_PFN = "Linux drivers/nvdimm/pfn_devs.c"
_SPARSE = "Linux mm/sparse-vmemmap.c"
_POWERPC = "Linux arch/powerpc/mm/init_64.c vmemmap_populate"
_RADIX = "Linux arch/powerpc/mm/book3s64/radix_pgtable.c radix__vmemmap_populate"
_HASH = "Linux arch/powerpc/mm/book3s64/hash_utils.c htab_init_page_sizes"
_INIT = "Linux mm/mm_init.c memmap_init_zone_device"

MEMORY_TABLE: tuple[Rule, ...] = (
    Rule(
        "feature.built",
        "A feature is there where its symbols are built in and the machine has the device.",
        "Linux drivers/nvdimm/Kconfig, drivers/dax/Kconfig, mm/Kconfig; QEMU -device help",
    ),
    Rule(
        "region.align",
        "Space is given out in units of 16M, of a page in a region below 16M.",
        "Linux drivers/nvdimm/region_devs.c default_align",
    ),
    Rule(
        "align.default",
        "Without a word about it the kernel aligns a namespace to a PMD where there are huge"
        " pages, to a page elsewhere.",
        f"{_PFN} nd_pfn_default_alignment",
    ),
    Rule(
        "align.seed",
        "A namespace that the kernel refuses leaves its alignment with the region's seed device;"
        " the next one of that mode has it by default.",
        "ndctl ndctl/namespace.c setup_namespace, validate_namespace_options; Linux"
        " drivers/nvdimm/claim.c nd_detach_and_reset",
    ),
    Rule(
        "memory.block",
        "Memory is hotplugged in blocks of a section; on pseries with room for it, of 256M,"
        " without it, in newer kernels, of the size that the memory nodes are made of.",
        "Linux arch/x86/mm/init_64.c, arch/powerpc/mm/init_64.c probe_memory_block_size; QEMU"
        " hw/ppc/spapr.c (SPAPR_MEMORY_BLOCK_SIZE)",
    ),
    Rule(
        "hash.linear-page",
        "hash maps memory by pages of 16M where the hypervisor offers them, unless KFENCE"
        " or DEBUG_PAGEALLOC_ENABLE_DEFAULT need to unmap single ones.",
        _HASH,
    ),
    Rule(
        "hash.vmemmap-page",
        "hash maps struct pages by bolted pages of 16M where those are offered and the guest"
        " boots with a gigabyte, by base pages elsewhere.",
        _HASH,
    ),
    Rule(
        "numa.nodes",
        "Every node that has RAM is online; soft-reserved memory is none. All is node 0 in a"
        " machine without nodes, and to a kernel for ACPI that is built without ACPI_NUMA.",
        "Linux drivers/base/node.c; drivers/acpi/numa/Kconfig;"
        " arch/powerpc/mm/numa.c parse_numa_properties",
    ),
    Rule(
        "numa.memory",
        "A node has memory from the first block that comes online in it until the last one goes,"
        " in whichever zone.",
        "Linux mm/memory_hotplug.c online_pages, offline_pages (6.1, 6.12:"
        " node_states_check_changes_online, node_states_check_changes_offline)",
    ),
    Rule(
        "numa.normal-memory",
        "A node has memory for the kernel itself where any of it is in no movable zone, whatever"
        " came before it.",
        "Linux mm/mm_init.c (6.1: mm/page_alloc.c) check_for_memory; mm/memory_hotplug.c"
        " online_pages, offline_pages",
    ),
    Rule(
        "numa.region",
        "The target node of a region is the one that its device was put on, its node the nearest"
        " that is online: the same where that has RAM. Without nodes both are 0.",
        "Linux drivers/acpi/nfit/core.c acpi_nfit_register_region (proximity domain),"
        " arch/powerpc/platforms/pseries/papr_scm.c (ibm,associativity); mm/mempolicy.c"
        " numa_map_to_online_node",
    ),
    Rule(
        "vmemmap.ram",
        "With map=mem struct pages of the whole namespace come from RAM, 64 bytes a page, on"
        " the device's own node.",
        f"{_SPARSE} __populate_section_memmap",
    ),
    Rule(
        "vmemmap.shared",
        "Where the optimisation applies (x86, radix from 6.6; map=mem; more than two pages of"
        " struct pages to a compound) two pages are taken for each compound.",
        f"{_SPARSE} vmemmap_populate_compound_pages; Documentation/mm/vmemmap_dedup.rst",
    ),
    Rule(
        "vmemmap.altmap",
        "With map=dev struct pages live between info block and data, and RAM is not touched.",
        f"{_SPARSE} altmap_alloc_block_buf",
    ),
    Rule(
        "vmemmap.partial-section",
        "x86 takes struct pages of a part of a section (128M) from RAM, with map=dev as well.",
        "Linux arch/x86/mm/init_64.c vmemmap_populate",
    ),
    Rule(
        "vmemmap.bolted",
        "hash takes struct pages in blocks of the vmemmap page, one for each 16G (64M) of"
        " physical memory that nothing has a block for yet.",
        _POWERPC,
    ),
    Rule(
        "vmemmap.radix-blocks",
        "radix takes struct pages in blocks of 2M, one for each 2G of physical memory; 6.6 to"
        " 6.14 in base pages where a namespace starts within one.",
        f"{_POWERPC}; {_RADIX}",
    ),
    Rule(
        "vmemmap.altmap-blocks",
        "On powerpc a block that stands for memory beyond the device comes from RAM with"
        " map=dev as well, and so does one that no struct page begins at (56 bytes each); radix"
        " from 6.6 takes base pages at the device's edges.",
        f"{_POWERPC} (altmap_cross_boundary); {_RADIX}",
    ),
    Rule(
        "vmemmap.returned",
        "Destroying namespaces gives back what their struct pages took, and nothing else. ndctl"
        " maps what it wipes; on hash the page tables of that, 16 bytes a page, stay.",
        f"Linux mm/sparse.c section_deactivate; {_POWERPC.replace('populate', 'free')}",
    ),
    Rule(
        "vmemmap.counter",
        "From 6.11 nr_memmap_pages counts pages of struct pages, wherever they live, section by"
        " section: all of them, or two for each compound where a kernel knows of sharing.",
        f"{_SPARSE} section_nr_vmemmap_pages",
    ),
    Rule(
        "kmem.blocks",
        "kmem adds the whole memory blocks within each range of a device; what is cut off at the"
        " ends is not used.",
        "Linux drivers/dax/kmem.c dax_kmem_range",
    ),
    Rule(
        "kmem.one-piece",
        "daxctl takes a device for one piece of memory, from its first byte on: it counts what"
        " blocks lie there, and brings those online. A range beyond is added, and stays offline.",
        "ndctl daxctl/lib/libdaxctl.c memblock_in_dev",
    ),
    Rule(
        "kmem.too-small",
        "A device without a whole memory block is no RAM: EINVAL, and it is left disabled.",
        "Linux drivers/dax/kmem.c dev_dax_kmem_probe; ndctl daxctl/lib/libdaxctl.c"
        " daxctl_dev_enable",
    ),
    Rule(
        "kmem.no-node",
        "A device that is on no node is no RAM: EINVAL, and it is left disabled.",
        "Linux drivers/dax/kmem.c dev_dax_kmem_probe",
    ),
    Rule(
        "kmem.node",
        "The memory of a device is RAM of its target node, which comes and goes with it where it"
        " has no other.",
        "Linux drivers/dax/kmem.c dev_dax_kmem_probe; mm/memory_hotplug.c add_memory_resource"
        " (__try_online_node), try_offline_node",
    ),
    Rule(
        "kmem.online",
        "daxctl brings every block that it adds online, as movable memory unless asked not to.",
        "ndctl daxctl/device.c dev_online_memory",
    ),
    Rule(
        "kmem.last-page",
        "Whoever looks at all pages by their frames, as by /proc/kpageflags, is told of memory that"
        " was added as well: it is taken for the end of memory where it is the highest.",
        "Linux fs/proc/page.c get_max_dump_pfn; arch/arm64/mm/mmu.c arch_add_memory,"
        " arch/x86/mm/init_64.c and arch/powerpc/mm/mem.c update_end_of_memory_vars",
    ),
    Rule(
        "kmem.returned",
        "A device that is taken back from kmem takes all its memory with it.",
        "Linux drivers/dax/kmem.c dev_dax_kmem_remove; ndctl daxctl/device.c reconfig_mode_devdax",
    ),
    Rule(
        "kmem.state-whole",
        "unplugged takes a device's memory offline and away, online_movable adds all of it again"
        " and brings it online; the device stays kmem's.",
        "Linux 7.3 drivers/dax/kmem.c state_store, dax_kmem_do_hotremove, dax_kmem_do_hotplug",
    ),
    Rule(
        "kmem.state-busy",
        "Only what is unplugged goes into another state: EBUSY. The state is how the driver added"
        " the blocks, whatever daxctl did to each of them afterwards.",
        "Linux 7.3 drivers/dax/kmem.c state_store, dev_dax_kmem_probe",
    ),
    Rule(
        "kmem.state-offline",
        "Nobody can ask for memory that is added and offline: EINVAL, in whatever state.",
        "Linux 7.3 drivers/dax/kmem.c dax_kmem_parse_state",
    ),
    Rule(
        "memmap.none",
        "raw and sector namespaces have no struct pages, nor has a devdax of size 0: nothing is"
        " initialised or taken.",
        "Linux drivers/nvdimm/pmem.c pmem_attach_disk; drivers/dax/pmem.c __dax_pmem_probe",
    ),
    Rule(
        "memmap.whole",
        "With map=mem every page of the namespace but its cut end is initialised, the info"
        " block's too.",
        _INIT,
    ),
    Rule(
        "memmap.altmap",
        "With map=dev initialisation begins behind the altmap: at the first page of data.",
        f"{_INIT}; mm/memremap.c vmem_altmap_offset",
    ),
)
