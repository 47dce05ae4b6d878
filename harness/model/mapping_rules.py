"""The rules about mappings: faults, page tables, counters, page metadata and poison."""

from __future__ import annotations

from harness.records import Rule

_DEVDAX = "Linux drivers/dax/device.c"
_MF = "Linux mm/memory-failure.c"

MAPPING_RULES: tuple[Rule, ...] = (
    Rule(
        "mmap.offset",
        "A file is mapped from a multiple of the page size on: EINVAL for others.",
        "mmap(2); Linux mm/mmap.c ksys_mmap_pgoff and each architecture's sys_mmap",
    ),
    Rule(
        "mmap.sync",
        "MAP_SYNC is taken where the file is mapped directly, EOPNOTSUPP elsewhere.",
        "Linux mm/mmap.c do_mmap; fs/ext4/file.c, fs/xfs/xfs_file.c daxdev_mapping_supported;"
        f" {_DEVDAX} dax_fops (MAP_SYNC)",
    ),
    Rule(
        "mmap.fork",
        "A child gets no entries of a shared DAX mapping; it faults as its parent did.",
        "Linux mm/memory.c vma_needs_copy",
    ),
    Rule(
        "mmap.page-tables",
        "VmPTE grows by the tables of each level that entries need. A PMD entry of anonymous memory"
        " has a deposited PTE table as well; on powerpc's hash one of a file or a device has, too.",
        "Linux mm/huge_memory.c insert_pfn_pmd (arch_needs_pgtable_deposit);"
        " arch/powerpc/include/asm/book3s/64/pgtable.h; include/linux/mm.h mm_inc_nr_ptes",
    ),
    Rule(
        "mmap.lock",
        "What mlock() locks counts in VmLck, wherever mremap() moves it, until munmap(). Of DAX"
        " it locks nothing, and succeeds.",
        "Linux mm/mlock.c mlock_fixup (vma_is_dax); mm/mremap.c move_vma",
    ),
    Rule(
        "mmap.move",
        "mremap() takes the entries of a mapping along, whole ones as well where they fit, and"
        " the page tables that are deposited for them: nothing is faulted in again.",
        "Linux mm/mremap.c move_page_tables, move_ptes; mm/huge_memory.c move_huge_pmd"
        " (pmd_move_must_withdraw)",
    ),
    Rule(
        "mmap.no-more",
        "What munmap() and mremap() took away, and the right that mprotect() took, is gone when"
        " they return: no TLB, and no hash table, keeps an entry.",
        "Linux mm/mmu_gather.c tlb_finish_mmu; mm/mremap.c move_ptes (flush_tlb_range),"
        " move_normal_pmd; mm/mprotect.c change_protection; mm/huge_memory.c move_huge_pmd,"
        " change_huge_pmd, zap_huge_pmd; arch/powerpc/mm/book3s64/hash_tlb.c",
    ),
    Rule(
        "mmap.copy",
        "Anonymous memory that was written to is a child's as well, by the parent's entries."
        " Each of them has base pages copied as it writes to them, those of a huge page, too,"
        " whatever mprotect() did in between, and finds its own as it wrote them.",
        "Linux mm/memory.c copy_present_pte, do_wp_page; mm/huge_memory.c do_huge_pmd_wp_page;"
        " mm/mprotect.c can_change_pte_writable",
    ),
    Rule(
        "mmap.anon-huge",
        "A huge page of anonymous memory that was written to counts in"
        " nr_anon_transparent_hugepages for as long as anybody has it mapped whole; the huge"
        " zero page does not.",
        "Linux mm/rmap.c page_add_new_anon_rmap, page_remove_rmap (__folio_mod_stat);"
        " mm/huge_memory.c __split_huge_pmd_locked",
    ),
    Rule(
        "mmap.collapse",
        "MADV_COLLAPSE makes huge pages of anonymous memory that base pages map, as soon as they"
        " are written to, without khugepaged and whatever its settings say.",
        "madvise(2); Linux mm/khugepaged.c madvise_collapse (lru_add_drain_all),"
        " collapse_huge_page",
    ),
    Rule(
        "mmap.committed",
        "Private memory that may be written to is charged to Committed_AS once, however often its"
        " right is taken away and given back, and is let go of with its mapping.",
        "Linux mm/mprotect.c mprotect_fixup (VM_ACCOUNT); mm/mmap.c accountable_mapping"
        " (7.3: mm/vma.h)",
    ),
    Rule(
        "mmap.nothing-left",
        "When a mapping is gone, so are its page tables, and what it counted in the process"
        " and in the kernel.",
        "Linux mm/memory.c free_pgtables, mm/huge_memory.c zap_huge_pmd (zap_deposited_table)",
    ),
    Rule(
        "mmap.split",
        "One page can be unmapped in the middle of an entry: the rest is mapped by smaller ones.",
        "POSIX munmap; Linux mm/huge_memory.c __split_huge_pmd_locked",
    ),
    Rule(
        "devdax.split",
        "A mapping of device-dax is not split within its alignment: munmap() is EINVAL.",
        f"{_DEVDAX} dev_dax_may_split",
    ),
    Rule(
        "fault.touched",
        "Memory that is there is read and written without a signal.",
        "POSIX mmap; Linux mm/memory.c handle_mm_fault",
    ),
    Rule(
        "fault.entry",
        "One fault an entry. Entries of device-dax are of its alignment; anonymous memory has PMD"
        " entries where THP is on, a DAX file where its blocks are PMD-aligned; copies of private"
        " pages are base pages.",
        f"{_DEVDAX} dev_dax_huge_fault; fs/dax.c dax_iomap_pmd_fault; mm/huge_memory.c"
        " do_huge_pmd_anonymous_page",
    ),
    Rule(
        "fault.clean-entry",
        "Before 6.15 device-dax puts in base pages clean, also for a write: where the MMU does not"
        " make entries dirty itself (arm64 before ARMv8.1, radix as QEMU has it) each takes a"
        " second fault for that.",
        f"{_DEVDAX} __dev_dax_pte_fault (vmf_insert_mixed; vmf_insert_page_mkwrite from 6.15);"
        " ptep_set_access_flags of arm64 and radix; QEMU target/ppc/mmu-radix64.c (R and C bits)",
    ),
    Rule(
        "fault.address",
        "si_addr is the address that was accessed.",
        "Linux each architecture's mm/fault.c (do_sigbus, bad_area)",
    ),
    Rule(
        "mmap.free-address",
        "Where the kernel chooses the address, nothing else is mapped there.",
        "Linux drivers/dax/device.c dax_get_unmapped_area; mm/mmap.c __get_unmapped_area;"
        " mm/huge_memory.c thp_get_unmapped_area",
    ),
    Rule(
        "fault.read-only",
        "Writing to a mapping without PROT_WRITE is SIGSEGV with SEGV_ACCERR.",
        "Linux each architecture's mm/fault.c access_error",
    ),
    Rule(
        "dax.no-rss",
        "Before DAX pages were counted folios (6.15) their mappings count nowhere: RssFile,"
        " nr_mapped and nr_file_pmdmapped stay as they are.",
        "Linux mm/memory.c insert_pfn, mm/huge_memory.c insert_pfn_pmd",
    ),
    Rule(
        "dax.rss",
        "Since DAX pages are counted folios (6.15) what is mapped counts in RssFile and"
        " nr_mapped, and PMD entries in nr_file_pmdmapped.",
        "Linux mm/memory.c insert_page_into_pte_locked, mm/huge_memory.c insert_pmd,"
        " mm/rmap.c __folio_mod_stat (aed877c2b425, 38607c62b34b)",
    ),
    Rule(
        "page.dumped",
        "gup_test -c prints the pages it is asked for, while it holds them.",
        "Linux mm/gup_test.c dump_pages_test",
    ),
    Rule(
        "page.devdax-refs",
        "A folio of device-dax has one reference of its own and one for each of its pages that"
        " is held (1024 for a pinned single page); mappings are not counted. With map=mem folios"
        " start with the namespace, whatever its alignment.",
        "Linux mm/gup.c try_grab_folio, mm/memremap.c memremap_pages, mm/mm_init.c"
        " memmap_init_zone_device",
    ),
    Rule(
        "page.devdax-refs-counted",
        "As page.devdax-refs, and one reference and one count of each mapping (from 6.15).",
        "Linux mm/huge_memory.c insert_pmd, mm/rmap.c (aed877c2b425, 38607c62b34b)",
    ),
    Rule(
        "page.fsdax-refs",
        "Before 6.15 pages of a DAX file are single, with one reference of their own and those"
        " that are held: 1, or 1024 for a pin.",
        "Linux mm/gup.c try_grab_folio, mm/memremap.c memremap_pages",
    ),
    Rule(
        "page.fsdax-refs-counted",
        "From 6.15 pages of a DAX file have no reference of their own, but one of each mapping"
        " and those that are held.",
        "Linux fs/dax.c dax_folio_init, mm/huge_memory.c insert_pmd (38607c62b34b)",
    ),
    Rule(
        "page.order",
        "Pages of device-dax are compounds of its alignment, wherever their struct pages live.",
        f"{_DEVDAX} dev_dax_probe (vmemmap_shift)",
    ),
    Rule(
        "page.pincount",
        "A compound counts its pinned pages apart; a single page has no such counter.",
        "Linux mm/gup.c try_grab_folio; mm/debug.c",
    ),
    Rule(
        "page.frame",
        "Page n of a device-dax is frame n from where its data starts, range after range.",
        f"{_DEVDAX} dax_pgoff_to_phys",
    ),
    Rule(
        "page.index",
        "A page knows its place in the device or file; pages of a folio by their distance from"
        " its head, whose place is that of the entry it was mapped by.",
        f"{_DEVDAX} dax_set_mapping; Linux fs/dax.c dax_associate_entry; mm/debug.c __dump_page,"
        " __dump_folio; include/linux/pagemap.h page_to_pgoff",
    ),
    Rule(
        "poison.signal",
        "The process that poisons a page it has mapped gets SIGBUS with BUS_MCEERR_AR, one"
        " that asked to be told early BUS_MCEERR_AO; the kernel says so for each of them, once:"
        " another mapping of the page that has no entry for it does not count.",
        f"{_MF} mf_generic_kill_procs, task_early_kill, add_to_kill, kill_proc",
    ),
    Rule(
        "poison.address",
        "si_addr is where the entry starts that the poisoned page's folio is known by: the one"
        " that maps the page, but for devdax with map=mem off its alignment, whose folios start"
        " with the namespace.",
        f"{_MF} add_to_kill (compound_head); {_DEVDAX} dax_set_mapping",
    ),
    Rule(
        "poison.lsb",
        "si_addr_lsb is the shift of the entry that mapped the page.",
        f"{_MF} dev_pagemap_mapping_shift",
    ),
    Rule(
        "poison.bystander",
        "A process that neither poisons nor asked to be told early gets no signal.",
        f"{_MF} task_early_kill; sysctl vm.memory_failure_early_kill is 0",
    ),
    Rule(
        "poison.unmapped",
        "If any process is signalled, the page is unmapped from all that map it; if none is, it"
        " stays mapped in all.",
        f"{_MF} unmap_and_kill",
    ),
    Rule(
        "poison.retouch",
        "device-dax does not look for poison: the next access faults the page in again.",
        f"{_DEVDAX} dev_dax_huge_fault",
    ),
    Rule(
        "poison.recovered",
        'A poisoned page of a device-dax counts in HardwareCorrupted and is "Recovered".',
        f"{_MF} action_result",
    ),
    Rule(
        "poison.ram-told",
        "Of poison in memory of no device those hear at once that asked to: SIGBUS with"
        " BUS_MCEERR_AO. From 6.11 who poisons a page by madvise() hears of it, whether it asked"
        " or not, by BUS_MCEERR_AR. The kernel says so for each of them.",
        "Linux mm/madvise.c madvise_inject_error (MF_ACTION_REQUIRED);"
        f" {_MF} collect_procs_anon, collect_procs_file, task_early_kill, kill_proc",
    ),
    Rule(
        "poison.ram-place",
        "si_addr is the start of the poisoned base page, where that was accessed, and si_addr_lsb"
        " its shift: a huge page is split before.",
        f"{_MF} memory_failure (try_to_split_thp_page), add_to_kill (__add_to_kill); each"
        " architecture's mm/fault.c (do_sigbus; do_page_fault of arm64)",
    ),
    Rule(
        "poison.ram-touch",
        "An access to a poisoned page of memory of no device is SIGBUS with BUS_MCEERR_AR in each"
        " process that had it mapped.",
        "Linux mm/rmap.c try_to_unmap_one (make_hwpoison_entry); mm/memory.c do_swap_page",
    ),
    Rule(
        "poison.anon-forked",
        "A child that is forked afterwards gets the entry that stands for poisoned memory.",
        "Linux mm/memory.c copy_nonpresent_pte, do_swap_page",
    ),
    Rule(
        "poison.shmem-forked",
        "A poisoned page of shared memory stays in the page cache, where a child that is forked"
        " afterwards finds it.",
        f"{_MF} me_pagecache_clean (shmem_mapping); mm/shmem.c shmem_error_remove_page;"
        " mm/memory.c __do_fault",
    ),
    Rule(
        "poison.ram-intact",
        "All other pages stay what they were, those of a huge page that was split for it, too.",
        "Linux mm/huge_memory.c split_huge_page",
    ),
    Rule(
        "poison.ram-lost",
        "A poisoned page of memory of no device that was written to counts in HardwareCorrupted,"
        ' and is a "dirty LRU page: Recovered".',
        f"{_MF} error_states, me_pagecache_dirty, action_result; mm/rmap.c try_to_unmap_one"
        " (folio_mark_dirty)",
    ),
)
