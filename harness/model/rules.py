"""The rules by id, and ``docs/model.md`` made of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType

from harness.model.defects import DEFECTS
from harness.model.rule_table import TABLE
from harness.records import Rule

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in TABLE})

_TOPICS = {
    "kconfig": "The configuration",
    "guest": "The guest",
    "feature": "The guest",
    "memory": "The guest",
    "hash": "The guest",
    "numa": "Memory nodes",
    "pmem": "Regions",
    "region": "Regions",
    "align": "Regions",
    "ndctl": "ndctl's own checks",
    "ns": "Namespaces",
    "btt": "Namespaces",
    "memmap": "Struct pages",
    "vmemmap": "Struct pages",
    "kmem": "Device DAX as RAM",
    "dyn": "Dynamic dax regions",
    "gup": "gup_test",
    "devdax": "gup_test",
    "file": "gup_test",
    "hugetlb": "gup_test",
    "thp": "gup_test",
    "mmap": "Mappings",
    "fault": "Mappings",
    "dax": "Mappings",
    "page": "Page metadata",
    "poison": "Poisoned memory",
    "rdma": "RDMA",
    "suite": "ndctl's own tests",
    "fs": "File systems and block devices",
    "block": "File systems and block devices",
    "data": "Persistence",
    "power": "Persistence",
    "label": "Persistence",
    "life": "Order of life",
    "defect": "Known defects",
}

_INTRODUCTION = """\
# The reference model

Made by `harness.model.rules.render_rules_markdown()`; a test holds this file against it.

The model predicts what every step of a scenario must show, from the target, the built
kernel and the layout alone. It shares no code with the side that runs guests: all that
both know is the names of values in `harness/scenario/steps.py`. Every predicted value
carries one of the rules below; `daxhound predict --explain` adds the derivation with the
numbers filled in.

Where a rule depends on the kernel, a probe of its source decides, and its version only
where there is no probe:

| probe | what it tells | without it |
|---|---|---|
| `namespace_end_trunc_checked` | nd_pfn_init refuses a namespace of size 0: no \
defect.empty-fsdax | from 6.6 |
| `radix_pud_thp` | radix maps PUD entries | from 6.6 |
| `dax_refcount_rework` | DAX pages are counted folios | from 6.15 |
| `vmemmap_optimize_checks_radix` | the architecture is asked before struct pages are shared \
| before 5.19; 6.1.184, 6.2.16, 6.3.2 and later of those; from 6.4 |
| `radix_own_vmemmap` | radix fills vmemmap by code of its own | from 6.6 |
| `radix_vmemmap_whole_blocks` | it takes 2M at once wherever a namespace starts | from 6.15 |
| `arm64_generic_vmemmap` | arm64 fills vmemmap by the generic code | from 6.2 |
| `memmap_counted` | there is nr_memmap_pages | from 6.11 |
| `memmap_counts_shared` | it counts shared struct pages once | from 7.1 |
| `arm64_rodata_full` | arm64 protects the linear map page by page | from 6.18 |
| `vmemmap_shared` | compounds of devices share struct pages | from 5.19 |
| `foll_flags_renumbered` | `FOLL_LONGTERM` is 1 << 8, not 0x10000 | about 6.3 |
| `longterm_asks_dirty_tracking` | files with dirty tracking are not pinned for long | from 6.5 |
| `gup_grabs_folios` | references are taken by folio, try_grab_page is gone | from 6.10 |
| `gup_test_rounds_hugetlb` | gup_test maps whole huge pages of hugetlb | from 7.0 |
| `rdma_persistent_access` | memory can be registered for persistent flushes | from 6.2 |
| `hmem_for_kmem` | soft-reserved memory goes to kmem by default | from 6.3 |
| `kmem_state` | devices that are RAM have a state | from 7.3 |
| `powerpc_block_of_nodes` | powerpc's hotplug blocks follow its memory nodes | from 6.6 |
| `hwpoison_action_required` | MADV_HWPOISON says that action is required | from 6.11 |
| `kernel_tables_counted` | nr_page_table_pages counts tables of the kernel, too | from 6.16 |
| `compound_head_after_tails` | a device's compound gets its head after its tails | from 6.18 |
| `dax_pud_fault_size_fits` | no defect.pud-fault-size | never |
| `folio_heads_anywhere` | no defect.folio-head | never |
| `radix_compounds_from_start` | no defect.radix-compounds | never |
| `sections_begin_compounds` | no defect.section-compounds | never |
| `arm64_parts_from_ram` | no defect.altmap-exhausted | never |
| `arm64_vmemmap_kept` | no defect.vmemmap-page-shared | never |
| `unbind_waits_for_pages` | no defect.pages-outlived | never |
| `rxe_page_list_fits` | no defect.rxe-page-list | before 6.12 |
"""

_DISAGREEMENTS = (
    "ndctl 76.1 holds the default size, too, against the alignment: a region of 1.5G with"
    " `--align=1G` and no size is refused with EINVAL, the kernel never gets to cut its end."
    " The kernel cuts an end only where a namespace starts off its alignment, such as behind"
    " another one.",
    "Hence the 6.1 namespace of size 0 (1.5G at a multiple of 1G, aligned to 1G) cannot be had"
    " with ndctl as written; 1G behind a namespace of 512M shows it.",
    "Space comes in units of 16M: a 1022M region, as q35 makes of 1G with the label area cut"
    " off, gives a namespace of 1008M, not of 1022M. The 1022M and 18M/1006M of the notes are"
    " right for devices whose usable size is exactly 1G.",
    "`'--size=' must be >= 16MiB` is out of reach in a region of 16M or more: such a size is"
    " no multiple of the region's align, and that is checked first.",
    "errno: ndctl prints `failed to create namespace: <text>` only after refusals that it has"
    " not reported as errors of its own. After `align setting is ...` and `must align to"
    " interleave-width` only the exit status tells (234, that is -EINVAL); after `No space left"
    " on device` the status says ENODEV (237) and the text is right.",
    "A kernel refusal shows as ENXIO and `failed to enable` whatever nd_pfn_init returned:"
    " libndctl looks only at whether the driver is bound. The kernel's own reason is on the"
    " console.",
    "`fsdax` with `--map=mem` has an info block on NFIT and papr_scm regions only. Regions with"
    " ND_REGION_PAGEMAP (e820, virtio-pmem, of_pmem) get a plain pmem device of the whole size"
    " instead, since the seed namespace already reads as `memory` (ndctl do_setup_pfn).",
    "Any mapping of device-dax must be a multiple of its alignment long: `gup_test -m 64` on"
    " a 1G- or 512M-aligned device is refused by mmap with EINVAL.",
    "s390x under TCG has no huge pages at all: QEMU's TCG lacks the EDAT facility, also with"
    " -cpu max, so has_transparent_hugepage() is 0, hpage_pmd_size is missing and hugetlbfs"
    " says `no supported hugepage sizes`.",
    "Two SysRq characters typed at once oops an s390x guest: `schedule_sysrq_work` sets its one"
    " work item up anew while that is queued. Seen on 6.1; the harness types the second after"
    " the first was answered.",
    "Free memory is only exact with what each CPU keeps for itself: MemFree alone moves by"
    " megabytes on 64K pages. /proc/zoneinfo has both; what a create-namespace takes then"
    " agrees with the sources to some tens of pages.",
    "arm64 from 6.18 maps pmem linearly by base pages, whatever its alignment: rodata_full is on"
    " unless `rodata=` says otherwise, and cortex-a72 cannot split a block in place (BBML2)."
    " A namespace of 1G then takes 2M of page tables beside its struct pages, map=dev too;"
    " seen on 7.2.13.",
    "map=dev is not free of RAM on powerpc: a block of struct pages (16M for 16G on hash) that"
    " reaches beyond the device comes from RAM whole.",
    "x86_64 reads memory nodes with ACPI_NUMA alone, which allnoconfig leaves out: the guest"
    " then has node 0 only, and QEMU's nodes go unseen without a word. arm64 reads them and"
    " drops them all, since UEFI's flash is memory of no node.",
    "A pseries guest has hotplug blocks of 256M only where QEMU was given room for hotplug;"
    " without pmem device and maxmem a block is one section of 16M.",
    "gup_test always writes to what it maps before it pins, with `-W` as well; private pages"
    " are therefore never the zero page.",
    "Hence partial pins and their accounts (an error after k calls, part of a call, part of the"
    " last) cannot be had with the tool: what it cannot touch kills it. `touch: false` makes the"
    " same ioctl on memory that GUP faults in itself.",
    "One fault an entry is not the whole story of base pages: before 6.15 device-dax puts them in"
    " clean, and arm64 and radix guests fault again on each to write.",
    "A fault that ends in SIGBUS has made its PMD table all the same, and VmPTE shows it until"
    " munmap.",
    "nr_page_table_pages falls a grace period after the tables are gone (powerpc frees fragments"
    " by RCU), of processes that ended before as well: what is left is an upper bound.",
    "From 6.16 that counter has page tables of the kernel, too, on x86 and arm64: tables for the"
    " stacks of new tasks stay, and one page seems to be left (seen on 7.2.13, x86_64).",
    "MAP_SYNC with MAP_FIXED_NOREPLACE is EOPNOTSUPP everywhere: MAP_SHARED_VALIDATE refuses that"
    " flag (LEGACY_MAP_MASK lacks it), not the file.",
    "Soft-reserved memory comes from the kernel command line here, not from efi_fake_mem: that"
    " needs a boot by EFI firmware, which x86_64 guests do without, and 6.12 has it no more"
    " (37aee82c213d).",
    "daxctl 76.1 takes a device for one piece of memory (`kmem.one-piece`). Where another device's"
    " RAM lies between the ranges of one, it counts that as well, and takes it offline where"
    " the first is to be a device again; seen on 7.3.4, x86_64. What lies so is not predicted.",
    "A static dax region does not answer EINVAL: the files that would (is_static) are not there,"
    " and a device's size cannot be opened for writing.",
    "The first device that `daxctl create-device` makes in an idle region is device 1: device 0"
    " comes with the region, without memory, and stays. It is no seed, but takes a size like any"
    " other.",
    "A `daxctl create-device` that is refused for its size or alignment leaves a device without"
    " memory behind, as the region's seed. The next one uses that, and leaves the one that it has"
    " just made.",
    "MADV_HWPOISON unmaps the entry from every process, those too that get no signal.",
    "A region without labels does not read 0 in available_size, though one raw namespace is all"
    " of it: only labels reserve space (nd_pmem_available_dpa). ndctl finds no namespace to make"
    " one of, and says that no space is left.",
)

_DEFECTS_INTRODUCTION = """\
Faults of kernels as they were released, found because the model said otherwise. The model
predicts what such a kernel shows, up to a report on its console, behind which nothing more is
predicted and the cell ends; a cell that ends so is ok, and says that it met the defect. A
kernel whose source answers the probe with yes is held to what is right.
"""

_ABOUT_DEFECTS = (
    "defect.pud-fault-size: a mapping that shares its PUD with others, such as gup_test's, works:"
    " the handler of PUDs is asked only where the PUD is empty. Steps that are not about faults"
    " have a page beside their mapping, to see what lies behind the defect. One of `unsigned long`"
    " mends it (fixes/7.2/pud-fault-size.patch).",
    "defect.radix-compounds: devdax-tail, half a PUD off, and devdax-just-off. 6.12 is silent"
    " until pages are pinned: the first page of data has a struct page that nobody initialised."
    " 7.2.13 warns as it initialises them, 16M behind a PUD; both oops 16M before one, writing"
    " behind the last struct pages.",
    "defect.section-compounds: devdax-just-off, 16M behind a PUD: each section but the first is"
    " given the tail page of the one before, those too in which a compound begins. Pages are mapped"
    " all the same; GUP finds a head that is a tail, with no reference of its own.",
    "defect.folio-head: devdax-tail, half a PUD off. Without HugeTLB's optimisation the head is"
    " found, and from 6.15 the entry is made of the head's frame, another one than the page's, and"
    " one that is not aligned (folio_mk_pud): no guest has tried. With map=dev folios start with"
    " the data.",
    "defect.empty-fsdax: model-empty, 1G behind 512M. The end is cut off right before the data, so"
    " that the struct page behind it lies in a section that nothing else can have.",
    "defect.altmap-exhausted: devdax of 208M, 2M-aligned: the info block moves the first PMD of"
    " struct pages up by 2M in the altmap, which has 64 bytes for each page and the alignment of"
    " the data to spare. x86 takes such parts from RAM, and is safe.",
    "defect.vmemmap-page-shared: two namespaces that meet within 64M. With map=mem the page is"
    " freed under the neighbour that stays, which nobody notices while all of a region go together;"
    " with the two in regions of their own (80M and 48M) a guest of 6.1.192 oopsed in"
    " dax_set_mapping as soon as the one that stayed was touched, which the model does not say."
    " With pages of 16K a page holds the struct pages of 4M, and namespaces begin at 16M.",
    "defect.pages-outlived: devdax-disabled-held, on every target with pmem, wherever struct pages"
    " live. A page is held by a pipe; giving it up oopses in page_cache_pipe_buf_release once the"
    " device is gone, and does no harm while memunmap_pages still waits for its grace period.",
    "defect.rxe-page-list: rdma-large, 1040M. kvcalloc in place of kcalloc would mend it. The list"
    " came with support for MR page sizes other than PAGE_SIZE; 6.1.192 has none.",
)

_UNSEEN = (
    "arm64 with pages of 16K, ppc64 with pages of 4K, and ppc64 without control groups, where"
    " struct pages of 56 bytes lie across the ends of blocks of vmemmap, and hardly any block comes"
    " from the altmap: predicted from the sources alone so far.",
    "a dynamic device with an alignment above its region's: the kernel looks at the size of a"
    " range, never at where it starts. 1G behind a device of 2M, 6.1.192 on x86_64 put in a PUD"
    " entry of a frame that is 2M off, and QEMU's TCG took it without a word; the bits in question"
    " are reserved there. The model refuses to map such a device.",
    "ppc64 radix from 6.6: devdax of PUDs whose data lies in 2M of struct pages that another"
    " namespace, made before it and behind it, has mapped as one. They are not shared there, and"
    " yet only two pages of them are initialised for each compound.",
    "ppc64 radix before the fix of 87a7ae75d738, 64K pages: 2048 struct pages are initialised"
    " for each compound of 32; an oops or silent corruption, depending on what lies behind.",
    "device-dax with entries above a page, mapped by MAP_FIXED at an aligned address from an"
    " offset that is not: check_vma looks at the address alone, and the entry is made of a frame"
    " that is not aligned (on x86 bit 12 of a PMD is its PAT bit). 6.1.192 on x86_64 and arm64 took"
    " the mapping and the access without a word; the model refuses such a step.",
)


def topic(rule: Rule) -> str:
    """The heading that a rule stands under. KeyError for an id of no known topic."""
    return _TOPICS[rule.id.partition(".")[0]]


def render_rules_markdown() -> str:
    """``docs/model.md``, whole."""
    lines = [_INTRODUCTION]
    sound = (rule for rule in TABLE if not rule.defect)
    for heading, rules in groupby(sorted(sound, key=_order), key=topic):
        lines += [f"## {heading}\n", "| rule | what happens | source |", "|---|---|---|"]
        lines += [f"| `{rule.id}` | {rule.statement} | {rule.source} |" for rule in rules]
        lines.append("")
    lines.append("## Where guests and sources disagree with the notes\n")
    lines += [f"- {text}" for text in _DISAGREEMENTS]
    lines += ["\n## Known defects\n", _DEFECTS_INTRODUCTION, *_defect_rows(), ""]
    lines += [f"- {text}" for text in _ABOUT_DEFECTS]
    lines.append("\n## Worth a guest\n")
    lines.append("What the sources suggest beyond the rules:\n")
    lines += [f"- {text}" for text in _UNSEEN]
    return "\n".join(lines) + "\n"


def _defect_rows() -> list[str]:
    rows = ["| rule | what happens | source | seen in | probe |", "|---|---|---|---|---|"]
    for defect in DEFECTS:
        rule = defect.rule
        words = (f"`{rule.id}`", rule.statement, rule.source, defect.kernels, f"`{defect.probe}`")
        rows.append(f"| {' | '.join(words)} |")
    return rows


def _order(rule: Rule) -> int:
    return list(dict.fromkeys(_TOPICS.values())).index(topic(rule))
