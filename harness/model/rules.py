"""The rules by id, and ``docs/model.md`` made of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType

from harness.model.rule_table import TABLE
from harness.records import Rule

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in TABLE})

_TOPICS = {
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
    "fs": "File systems and block devices",
    "block": "File systems and block devices",
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
| `namespace_end_trunc_checked` | nd_pfn_init refuses a namespace of size 0 | from 6.6 |
| `radix_pud_thp` | radix maps PUD entries | from 6.6 |
| `dax_refcount_rework` | DAX pages are counted folios | from 6.15 |
| `vmemmap_optimize_checks_radix` | the architecture is asked before struct pages are shared \
| before 5.19; 6.1.184, 6.2.16, 6.3.2 and later of those; from 6.4 |
| `radix_own_vmemmap` | radix fills vmemmap by code of its own | from 6.6 |
| `radix_vmemmap_whole_blocks` | it takes 2M at once wherever a namespace starts | from 6.15 |
| `arm64_generic_vmemmap` | arm64 fills vmemmap by the generic code | from 6.2 |
| `memmap_counted` | there is nr_memmap_pages | from 6.11 |
| `memmap_counts_shared` | it counts shared struct pages once | from 7.1 |
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
    "MAP_SYNC with MAP_FIXED_NOREPLACE is EOPNOTSUPP everywhere: MAP_SHARED_VALIDATE refuses that"
    " flag (LEGACY_MAP_MASK lacks it), not the file.",
    "MADV_HWPOISON unmaps the entry from every process, those too that get no signal.",
)

_DEFECTS = (
    "arm64, map=dev, a namespace that does not begin and end at a section (128M), such as"
    " devdax of 208M, 2M-aligned: the info block moves the first PMD of struct pages up by 2M"
    " in the altmap, which has 64 bytes for each page and the alignment of the data to spare,"
    " so that nothing is left for the part of a section at the end. memremap_pages fails with"
    " ENOMEM, and memunmap_pages warns `failed to free all reserved pages`. Seen on 6.1.192;"
    " the code is the same in 6.12.117 and 7.2.13. x86 takes such parts from RAM, and is safe."
    " The model calls these cells unsupported (vmemmap.altmap-exhausted).",
    "devdax with map=mem that starts half an alignment off (devdax-tail on ppc64-radix, PUDs):"
    " 6.12.117 warns in try_grab_folio when its pages are pinned, 7.2.13 in memmap_init_compound"
    " when the namespace is made; 6.1.192, which has no PUDs there, is silent. These cells are"
    " kernel failures.",
    "hash with 64K pages, 6.12.117 and 7.2.13: the first access to a device-dax mapping whose"
    " PUD is still empty gives SIGBUS. `__dev_dax_pud_fault` (drivers/dax/device.c) keeps"
    " PUD_SIZE in an unsigned int; a PUD has 16G there, which leaves 0, less than any alignment,"
    " so that it gives up where it should fall back. The function is compiled in since radix has"
    " PUDs (HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD); 6.1.192 has none of it and is well. A mapping"
    " beside others, such as gup_test's, shares their PUD and works. The model expects what"
    " every other target does: fault-devdax, mapping-life, hwpoison-devdax and gup-devdax are"
    " mismatches.",
)

_UNSEEN = (
    "7.2 (and any kernel with `dax_refcount_rework`): a devdax namespace with `--map=mem` that"
    " starts off its own alignment, such as one aligned to 1G behind a namespace of 512M."
    " memmap_init_zone_device lays out folios from the namespace's start,"
    " vmf_insert_folio_pud maps the folio that holds the faulting page by the folio's first"
    " page: the entry would name another frame, and one that is not aligned. With `--map=dev`"
    " folios start with the data. The model predicts what should happen.",
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
    for heading, rules in groupby(sorted(TABLE, key=_order), key=topic):
        lines += [f"## {heading}\n", "| rule | what happens | source |", "|---|---|---|"]
        lines += [f"| `{rule.id}` | {rule.statement} | {rule.source} |" for rule in rules]
        lines.append("")
    lines.append("## Where guests and sources disagree with the notes\n")
    lines += [f"- {text}" for text in _DISAGREEMENTS]
    lines.append("\n## Defects that guests showed\n")
    lines.append("In kernels as they were released, found because the model said otherwise:\n")
    lines += [f"- {text}" for text in _DEFECTS]
    lines.append("\n## Worth a guest\n")
    lines.append("What the sources suggest beyond the rules:\n")
    lines += [f"- {text}" for text in _UNSEEN]
    return "\n".join(lines) + "\n"


def _order(rule: Rule) -> int:
    return list(dict.fromkeys(_TOPICS.values())).index(topic(rule))
