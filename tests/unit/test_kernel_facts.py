"""Facts of kernels: read back from JSON, assumed without a build, asked of the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InfrastructureError, KernelFailure, UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.constants import parse_saved_command
from harness.kernel.facts import dump_facts, load_facts, read_facts
from harness.kernel.make import Make, Toolchain
from harness.kernel.probes import probe_source
from harness.kernel.spec import DebianSpec, DirectorySpec
from harness.records import KernelFacts
from harness.store import Store

FACTS = KernelFacts((6, 1, 192), "6.1.192", {"NR_CPUS": "8", "A": ""}, 64, {"x": True, "y": 16})

GATED = """\
#ifdef CONFIG_ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP
#define vmemmap_can_optimize(altmap, pgmap) (pgmap && !altmap)
#else
#define vmemmap_can_optimize(altmap, pgmap) false
#endif
"""
GATED_FUNCTION = """\
#ifdef CONFIG_ARCH_WANT_OPTIMIZE_DAX_VMEMMAP
static inline bool __vmemmap_can_optimize(struct vmem_altmap *altmap,
                                          struct dev_pagemap *pgmap)
{
}
#endif
"""
# The predicate before 87a7ae75d738: the same for every architecture.
UNGATED = """\
#ifdef CONFIG_SPARSEMEM_VMEMMAP
#define vmemmap_can_optimize(altmap, pgmap) (pgmap && !altmap)
#endif
"""

PUD_FAULT = """\
static vm_fault_t __dev_dax_pud_fault(struct dev_dax *dev_dax,
\t\t\t\tstruct vm_fault *vmf)
{
\tunsigned int fault_size = PUD_SIZE;

\tif (fault_size < dev_dax->align)
\t\treturn VM_FAULT_SIGBUS;
}
"""
REUSE = """\
static bool __meminit reuse_compound_section(unsigned long start_pfn,
\t\t\t\t\t     struct dev_pagemap *pgmap)
{
\treturn !IS_ALIGNED(offset, nr_pages) && nr_pages > PAGES_PER_SUBSECTION;
}

static int __meminit vmemmap_populate_compound_pages(unsigned long start_pfn)
{
\treturn 0;
}
"""
RADIX_COMPOUNDS = """\
int __meminit vmemmap_populate_compound_pages(unsigned long start_pfn,
\t\t\t\t\t      struct dev_pagemap *pgmap)
{
\tunsigned long pfn_offset = addr_pfn - ALIGN_DOWN(addr_pfn, nr_pages);
}
"""
MADV_HWPOISON = """\
static int madvise_inject_error(int behavior, unsigned long start, unsigned long end)
{
\t\tret = memory_failure(pfn, MF_COUNT_INCREASED | MF_SW_SIMULATED);
}
"""
COMPOUND_HEAD = """\
static void __ref memmap_init_compound(struct page *head, unsigned long nr_pages)
{
\tfor (pfn = head_pfn + 1; pfn < end_pfn; pfn++) {
\t\tif (pfn == head_pfn + 1)
\t\t\tprep_compound_head(head, order);
\t}
}
"""


MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\n"


def source(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_facts_come_back_from_json_as_they_were() -> None:
    assert load_facts(dump_facts(FACTS)) == FACTS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1}'])
def test_json_that_is_no_facts_is_refused(text: str) -> None:
    with pytest.raises(InfrastructureError):
        load_facts(text)


def test_a_place_where_nothing_was_built_has_no_facts(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="no kernel was built"):
        read_facts(Make(tmp_path, tmp_path, Toolchain("x86_64", "", "", False), tmp_path / "log"))


@pytest.mark.parametrize("release", ["/home/x", "../../x", "..", "-b", "", "6.1\n6.2", "6.1 x"])
def test_a_release_that_leads_out_of_lib_modules_is_no_kernels(
    tmp_path: Path, release: str
) -> None:
    built = {"include/config/kernel.release": release, ".config": "", "Makefile": MAKEFILE}
    source(tmp_path, built)
    with pytest.raises(KernelFailure, match="which names no folder"):
        read_facts(Make(tmp_path, tmp_path, Toolchain("x86_64", "", "", False), tmp_path / "log"))


def test_a_release_that_is_a_link_to_a_file_of_the_users_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    objects = source(tmp_path / "objects", {".config": "", "Makefile": MAKEFILE})
    (objects / "include/config").mkdir(parents=True)
    (objects / "include/config/kernel.release").symlink_to(tmp_path / "secret")
    with pytest.raises(KernelFailure, match="leads out of its object tree"):
        read_facts(Make(objects, objects, Toolchain("x86_64", "", "", False), tmp_path / "log"))


@pytest.mark.parametrize(
    ("header", "asked"), [(GATED, True), (GATED_FUNCTION, True), (UNGATED, False)]
)
def test_the_vmemmap_optimisation_is_seen_to_ask_the_architecture(
    tmp_path: Path, header: str, asked: bool
) -> None:
    tree = source(tmp_path, {"include/linux/mm.h": f"struct page;\n{header}"})
    assert probe_source(tree) == {"vmemmap_optimize_checks_radix": asked}


def test_kernels_before_the_predicate_ask_nobody_or_have_no_optimisation(tmp_path: Path) -> None:
    tree = source(tmp_path, {"include/linux/mm.h": ""})
    assert probe_source(tree) == {}
    source(tree, {"mm/sparse-vmemmap.c": "int vmemmap_populate_compound_pages(void);"})
    assert probe_source(tree) == {"vmemmap_optimize_checks_radix": False, "vmemmap_shared": True}


@pytest.mark.parametrize(
    ("name", "path", "without", "with_it"),
    [
        (
            "dax_refcount_rework",
            "mm/huge_memory.c",
            "vmf_insert_pfn_pmd(vmf)",
            "vmf_insert_folio_pmd(vmf)",
        ),
        (
            "namespace_end_trunc_checked",
            "drivers/nvdimm/pfn_devs.c",
            "if (offset >= size) {\n npfns = PHYS_PFN(size - offset - end_trunc);",
            "if (offset >= (size - end_trunc)) {",
        ),
        (
            "dax_pud_fault_size_fits",
            "drivers/dax/device.c",
            PUD_FAULT,
            PUD_FAULT.replace("unsigned int", "unsigned long"),
        ),
        (
            "arm64_rodata_full",
            "arch/arm64/mm/pageattr.c",
            "bool rodata_full __ro_after_init = IS_ENABLED(CONFIG_RODATA_FULL_DEFAULT_ENABLED);",
            "bool rodata_full __ro_after_init = true;",
        ),
        (
            "radix_compounds_from_start",
            "arch/powerpc/mm/book3s64/radix_pgtable.c",
            RADIX_COMPOUNDS,
            RADIX_COMPOUNDS.replace("ALIGN_DOWN(addr_pfn, nr_pages)", "start_pfn"),
        ),
        (
            "sections_begin_compounds",
            "mm/sparse-vmemmap.c",
            REUSE,
            REUSE.replace("!IS_ALIGNED(offset, nr_pages)", "!begins_compound(offset, nr_pages)"),
        ),
        (
            "gup_grabs_folios",
            "mm/gup.c",
            "bool __must_check try_grab_page(struct page *page, unsigned int flags)",
            "int __must_check try_grab_folio(struct folio *folio, int refs,",
        ),
        (
            "folio_heads_anywhere",
            "include/linux/page-flags.h",
            "static __always_inline bool compound_info_has_mask(void)",
            "unsigned long head = READ_ONCE(page->compound_head);",
        ),
        (
            "kernel_tables_counted",
            "include/asm-generic/pgalloc.h",
            "ptdesc = pagetable_alloc_noprof(GFP_PGTABLE_KERNEL, 0);\n}\npagetable_pte_ctor(mm,",
            "ptdesc = pagetable_alloc_noprof(GFP_PGTABLE_KERNEL, 0);\nif (!pagetable_pte_ctor(mm,",
        ),
        (
            "longterm_asks_dirty_tracking",
            "mm/gup.c",
            "static int check_vma_flags(",
            "if (!writable_file_mapping_allowed(vma, gup_flags))",
        ),
        (
            "foll_flags_renumbered",
            "include/linux/mm_types.h",
            "struct page {",
            "\tFOLL_LONGTERM = 1 << 8,",
        ),
        (
            "gup_test_rounds_hugetlb",
            "tools/testing/selftests/vm/gup_test.c",
            "flags |= (MAP_HUGETLB | MAP_ANONYMOUS);",
            "size = (size + hp_size - 1) & ~(hp_size - 1);",
        ),
        (
            "rdma_persistent_access",
            "include/rdma/ib_verbs.h",
            "IB_ACCESS_HUGETLB = IB_UVERBS_ACCESS_HUGETLB,",
            "IB_ACCESS_FLUSH_PERSISTENT = IB_UVERBS_ACCESS_FLUSH_PERSISTENT,",
        ),
        (
            "rxe_page_list_fits",
            "drivers/infiniband/sw/rxe/rxe_mr.c",
            "mr->page_info = kcalloc(num_pages, sizeof(struct rxe_mr_page),",
            "mr->page_info = kvcalloc(num_pages, sizeof(struct rxe_mr_page),",
        ),
        (
            "powerpc_block_of_nodes",
            "arch/powerpc/mm/init_64.c",
            "unsigned long memory_block_size_bytes(void)",
            "static int __init probe_memory_block_size(unsigned long node)",
        ),
        (
            "compound_head_after_tails",
            "mm/mm_init.c",
            COMPOUND_HEAD,
            COMPOUND_HEAD.replace("\t\tif (pfn == head_pfn + 1)\n\t", ""),
        ),
        (
            "hwpoison_action_required",
            "mm/madvise.c",
            MADV_HWPOISON,
            MADV_HWPOISON.replace("(pfn, MF", "(pfn, MF_ACTION_REQUIRED | MF"),
        ),
        (
            "radix_pud_thp",
            "arch/powerpc/include/asm/book3s/64/pgtable.h",
            "has_transparent_hugepage(void)",
            "has_transparent_pud_hugepage(void)",
        ),
    ],
)
def test_a_change_is_seen_in_the_file_that_it_changed(
    tmp_path: Path, name: str, path: str, without: str, with_it: str
) -> None:
    assert probe_source(source(tmp_path, {path: without}))[name] is False
    assert probe_source(source(tmp_path, {path: with_it}))[name] is True


def test_how_radix_takes_struct_pages(tmp_path: Path) -> None:
    path = "arch/powerpc/mm/book3s64/radix_pgtable.c"
    own = "int __meminit radix__vmemmap_populate(unsigned long start)\n{\n"
    seen = [
        probe_source(source(tmp_path, {path: text}))
        for text in ("", own, own + "\t\tstart = ALIGN_DOWN(start, PMD_SIZE);\n")
    ]
    names = ("radix_own_vmemmap", "radix_vmemmap_whole_blocks")
    assert [tuple(found[name] for name in names) for found in seen] == [
        (False, False),
        (True, False),
        (True, True),
    ]


def test_what_is_counted_of_struct_pages(tmp_path: Path) -> None:
    tree = source(tmp_path, {"mm/vmstat.c": '"nr_memmap_pages",', "mm/sparse.c": ""})
    assert probe_source(tree) == {"memmap_counted": True}
    plain = "memmap_pages_add(DIV_ROUND_UP(nr_pages * sizeof(struct page), PAGE_SIZE));"
    source(tmp_path, {"mm/sparse.c": plain})
    assert probe_source(tree)["memmap_counts_shared"] is False
    source(tmp_path, {"mm/sparse.c": "memmap_pages_add(section_nr_vmemmap_pages(pfn));"})
    assert probe_source(tree)["memmap_counts_shared"] is True


def test_arm64_left_its_own_way_of_filling_vmemmap(tmp_path: Path) -> None:
    path = "arch/arm64/mm/mmu.c"
    for text, generic in (
        ("vmemmap_populate_basepages(", False),
        ("vmemmap_populate_hugepages(", True),
    ):
        assert probe_source(source(tmp_path, {path: text})) == {"arm64_generic_vmemmap": generic}


@pytest.mark.parametrize(("buffer", "from_ram"), [("altmap", False), ("NULL", True)])
def test_where_arm64_takes_struct_pages_of_a_part_of_a_section_from(
    tmp_path: Path, buffer: str, from_ram: bool
) -> None:
    populate = f"""\
int __meminit vmemmap_populate(unsigned long start, unsigned long end, int node)
{{
\tif (end - start < PAGES_PER_SECTION * sizeof(struct page))
\t\treturn vmemmap_populate_basepages(start, end, node, {buffer});
}}
"""
    tree = source(tmp_path, {"arch/arm64/mm/mmu.c": populate})
    assert probe_source(tree)["arm64_parts_from_ram"] is from_ram


@pytest.mark.parametrize(
    ("condition", "kept"), [("", False), ("if (!memchr_inv(p, 0xFD, n))", True)]
)
def test_arm64_gives_back_pages_of_vmemmap(tmp_path: Path, condition: str, kept: bool) -> None:
    unmap = f"""\
static void unmap_hotplug_pte_range(pmd_t *pmdp, unsigned long addr, unsigned long end)
{{
\t{condition}
\tpte_clear(&init_mm, addr, ptep);
}}
"""
    tree = source(tmp_path, {"arch/arm64/mm/mmu.c": unmap})
    assert probe_source(tree)["arm64_vmemmap_kept"] is kept


@pytest.mark.parametrize(
    ("fragments", "size"),
    [(("base",), 56), (("base", "mm"), 64), (("base", "arm64"), 64), (("base", "x86_64"), 64)],
)
def test_struct_page_by_its_members(fragments: tuple[str, ...], size: int) -> None:
    """56 bytes without control groups, unless the architecture aligns it to two words."""
    assert assumed_facts(DebianSpec("6.1"), fragments).struct_page_bytes == size


def test_a_source_in_the_store_is_asked_rather_than_the_version(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert assumed_facts(DebianSpec("6.1"), ("base",), store).probes == {}
    tree = tmp_path / "source" / "linux-source-6.1_6.1.999-1"
    (tree / "mm").mkdir(parents=True)
    (tree / "mm/vmstat.c").write_text('"nr_memmap_pages"')
    assert assumed_facts(DebianSpec("6.1"), ("base",), store).probes == {"memmap_counted": True}
    other = assumed_facts(DebianSpec("6.1", "6.1.50-1"), ("base",), store)
    assert (other.probes, other.version) == ({}, (6, 1, 50))


def test_an_unbuilt_kernel_has_what_its_fragments_ask_for() -> None:
    facts = assumed_facts(DebianSpec("6.1"), ("base", "mm", "ppc64"))
    assert facts.version[:2] == (6, 1)
    assert facts.has("MEMCG")
    assert facts.struct_page_bytes == 64
    assert assumed_facts(DebianSpec("6.1"), ("base",)).struct_page_bytes == 56


@pytest.mark.parametrize(
    ("version", "fragment", "gate"),
    [
        ("6.1", "x86_64", "ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP"),
        ("6.1", "ppc64", None),
        ("6.12", "ppc64", "ARCH_WANT_OPTIMIZE_DAX_VMEMMAP"),
        ("6.12", "arm64", None),
    ],
)
def test_what_architectures_select_is_assumed_as_well(
    version: str, fragment: str, gate: str | None
) -> None:
    config = assumed_facts(DebianSpec(version), ("base", fragment)).config
    gates = {symbol for symbol in config if symbol.startswith("ARCH_WANT_")}
    assert gates == ({gate} if gate else set())


def test_an_unbuilt_directory_is_asked_for_version_and_source(tmp_path: Path) -> None:
    tree = source(
        tmp_path,
        {
            "Makefile": "VERSION = 6\nPATCHLEVEL = 14\nSUBLEVEL = 0\n",
            "mm/huge_memory.c": "vmf_insert_folio_pmd",
        },
    )
    facts = assumed_facts(DirectorySpec(tree), ("base",))
    assert facts.version == (6, 14, 0)
    assert facts.probes == {"dax_refcount_rework": True}
    with pytest.raises(UserError):
        assumed_facts(DirectorySpec(tmp_path / "mm"), ("base",))


def test_a_saved_command_is_the_compiler_and_its_flags() -> None:
    saved = (
        "ccache gcc -Wp,-MMD,init/.main.o.d -I./include -DTEXT='\"a b\"' -DHASH='$(pound)' "
        "-DCASH='$$' -c -o init/main.o /s/init/main.c   ; ./tools/objtool/objtool init/main.o"
    )
    assert parse_saved_command(saved) == (
        *("ccache", "gcc", "-I./include", '-DTEXT="a b"', "-DHASH=#", "-DCASH=$", "-c"),
    )


@pytest.mark.parametrize("later", [True, False])
def test_who_gets_soft_reserved_memory(tmp_path: Path, later: bool) -> None:
    flags = "IORESOURCE_DAX_KMEM" if later else "0"
    probe = f"alloc_dax_region(dev, pdev->id, &range, node, PMD_SIZE, {flags});"
    tree = source(tmp_path, {"drivers/dax/hmem/hmem.c": probe})
    assert probe_source(tree)["hmem_for_kmem"] is later


@pytest.mark.parametrize("later", [True, False])
def test_whether_memory_of_a_device_comes_and_goes_at_once(tmp_path: Path, later: bool) -> None:
    text = "static DEVICE_ATTR_RW(state);" if later else "static int dax_kmem_range(void);"
    tree = source(tmp_path, {"drivers/dax/kmem.c": text})
    assert probe_source(tree)["kmem_state"] is later
