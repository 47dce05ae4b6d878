"""The model, wrong on purpose: mistaken calculations, each of which a guest must refute.

A rule that no variant and no guest can tell from another is listed with the reason.
"""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

from harness.gates import Gate
from harness.model import geometry, identity, kmem, memmap, namespace, ndctl, rdma, vmemmap_ram
from harness.model.machine import Machine
from tests.teeth.dax_variants import DAX_VARIANTS
from tests.teeth.life import LIFE_VARIANTS
from tests.teeth.wrong import (
    Variant,
    around,
    as_fsdax,
    attribute,
    by_fresh_seed,
    doubled,
    everywhere,
    fewer,
    info,
    instead,
    mapped_to_ram,
    no_align_mode,
    no_blocks,
    refusal,
    sectors_of_512,
    still_there,
    without_check,
)

MIB = 1 << 20


VARIANTS = (
    Variant(
        "space is given out by the page",
        ("region.align", "region.available", "ndctl.region-align"),
        lambda: mock.patch.object(Machine, "region_align", lambda self, _region: self.page),
    ),
    Variant(
        "every target maps PUDs",
        ("align.supported", "ndctl.unsupported-align"),
        attribute("supported_alignments", lambda m: tuple(sorted({m.page, m.pmd, m.pud, 8 * MIB}))),
    ),
    Variant(
        "namespaces are aligned to a page by default",
        ("align.default", "ns.align"),
        attribute("default_alignment", lambda m: m.page),
    ),
    Variant(
        "a refused namespace leaves its seed device as it was",
        ("align.seed",),
        lambda: mock.patch.object(namespace, "place_in", by_fresh_seed),
    ),
    Variant(
        "hash needs no more than a subsection",
        ("ns.data-offset",),
        attribute("memremap_compat_align", lambda _m: 2 * MIB),
    ),
    Variant(
        "no info block",
        ("ns.data-offset", "ns.size"),
        instead(geometry, "INFO_BLOCK", 0),
    ),
    Variant(
        "struct pages on the device take 56 bytes",
        ("ns.data-offset", "ns.size"),
        lambda: mock.patch.object(
            namespace,
            "place_info_block",
            lambda **k: geometry.place_info_block(**{**k, "reserved": 56}),
        ),
    ),
    Variant(
        "the end is never cut",
        ("ns.end-trunc",),
        info(end_trunc=lambda _i: 0, size_bytes=lambda i: i.size_bytes + i.end_trunc),
    ),
    Variant(
        "size counts the info block",
        ("ns.size",),
        info(size_bytes=lambda i: i.size_bytes + i.data_offset),
    ),
    Variant(
        "an empty namespace is refused by the other kernels",
        ("ns.no-room",),
        attribute(
            "refuses_empty_namespace",
            lambda m: not m.probe("namespace_end_trunc_checked", since=(6, 6)),
        ),
    ),
    Variant(
        "a BTT has no free blocks", ("btt.capacity",), instead(geometry, "_BTT_FREE_BLOCKS", 0)
    ),
    Variant(
        "a BTT's map entry has 8 bytes", ("btt.capacity",), instead(geometry, "_BTT_MAP_ENTRY", 8)
    ),
    Variant(
        "a sector namespace has sectors of 512 bytes",
        ("btt.sector-size", "btt.capacity"),
        around(ndctl, "resolve", sectors_of_512),
    ),
    Variant("raw takes an alignment", ("ndctl.align-mode",), no_align_mode),
    Variant(
        "regions are twice as large",
        ("region.place", "region.available", "ns.raw-size"),
        attribute("regions", lambda m: tuple(doubled(d) for d in m.layout.pmem)),
    ),
    Variant(
        "there is one region more",
        ("region.count",),
        attribute("regions", lambda m: (*m.layout.pmem, *m.layout.pmem[:1])),
    ),
    Variant(
        "ndctl puts struct pages into RAM whatever it is told",
        ("ns.map", "ns.data-offset"),
        around(ndctl, "resolve", mapped_to_ram),
    ),
    Variant(
        "devdax is a block device",
        ("ns.device", "ns.created"),
        around(namespace, "_with_info_block", as_fsdax),
    ),
    Variant(
        "destroyed namespaces stay",
        ("ns.destroyed",),
        lambda: mock.patch.object(namespace, "expect_returned", still_there),
    ),
    Variant(
        "ndctl does not look at --map",
        ("ndctl.map-mode", "ndctl.align-power"),
        without_check("_parse"),
    ),
    Variant(
        "ndctl does not look at the size",
        ("ndctl.region-align", "ndctl.size-align"),
        without_check("_check_size"),
    ),
    Variant(
        "ndctl gives any mode less than 16M", ("ndctl.smallest",), without_check("_check_smallest")
    ),
    Variant("ndctl takes any sector size", ("ndctl.sector-size",), without_check("_check_sector")),
    Variant(
        "ndctl says EINVAL to what is too large",
        ("ndctl.no-space",),
        refusal("resolve", errno="EINVAL"),
    ),
    Variant(
        "hotplug blocks are twice as large",
        ("memory.block",),
        around(identity, "memory_block", lambda found: (2 * found[0], found[1])),
    ),
    Variant(
        "kmem adds memory in half blocks",
        ("kmem.blocks", "kmem.too-small", "kmem.returned"),
        around(kmem, "memory_block", lambda found: (found[0] // 2, found[1])),
    ),
    Variant(
        "hash maps memory by base pages",
        ("hash.linear-page", "ns.data-offset"),
        attribute("linear_page", lambda m: m.page),
    ),
    Variant(
        "hash maps struct pages by base pages",
        ("hash.vmemmap-page", "vmemmap.bolted"),
        attribute("vmemmap_page", lambda m: m.page),
    ),
    Variant(
        "all is node 0",
        ("numa.region", "vmemmap.ram"),
        attribute("reads_nodes", lambda _m: False),
    ),
    Variant(
        "struct pages are free of cost",
        ("vmemmap.ram", "vmemmap.bolted", "vmemmap.radix-blocks", "vmemmap.returned"),
        lambda: mock.patch(
            "harness.model.cost.ram_taken", lambda *a: no_blocks(vmemmap_ram.ram_taken(*a))
        ),
    ),
    Variant(
        "struct pages are shared nowhere",
        ("vmemmap.shared", "vmemmap.counter"),
        lambda: everywhere("why_not_optimised", lambda *_: "nobody shares"),
    ),
    Variant(
        "struct pages are shared everywhere",
        ("vmemmap.ram", "vmemmap.altmap"),
        lambda: everywhere("why_not_optimised", lambda *_: None),
    ),
    Variant(
        "struct pages come from RAM with map=dev, too",
        ("vmemmap.altmap", "vmemmap.altmap-blocks"),
        lambda: mock.patch(
            "harness.model.cost.ram_taken",
            lambda machine, span, compound, _altmap, others: vmemmap_ram.ram_taken(
                machine, span, compound, None, others
            ),
        ),
    ),
    Variant(
        "x86 takes parts of sections from the device",
        ("vmemmap.partial-section",),
        around(
            vmemmap_ram,
            "_struct_bytes",
            lambda size: 0 if size % (2 * MIB) else size,
        ),
    ),
    Variant(
        "one struct page of memory is counted for each",
        ("vmemmap.counter",),
        lambda: mock.patch("harness.model.cost.counted_pages", return_value=(1, "one")),
    ),
    Variant(
        "the info block's pages are not initialised",
        ("memmap.whole",),
        lambda: mock.patch(
            "harness.model.cost.expect_initialised",
            lambda machine, span, altmap: fewer(memmap.expect_initialised(machine, span, altmap)),
        ),
    ),
    Variant(
        "initialisation begins with the altmap",
        ("memmap.altmap",),
        lambda: mock.patch(
            "harness.model.cost.expect_initialised",
            lambda machine, span, _altmap: memmap.expect_initialised(machine, span, None),
        ),
    ),
    Variant(
        "raw namespaces have struct pages",
        ("memmap.none",),
        lambda: mock.patch(
            "harness.model.cost.expect_initialised",
            lambda machine, span, altmap: replace(
                memmap.expect_initialised(machine, span, altmap),
                value=1 if span is None else memmap.expect_initialised(machine, span, altmap).value,
            ),
        ),
    ),
    Variant(
        "nodes are not online",
        ("numa.nodes",),
        around(identity, "expect_nodes", lambda found: tuple(replace(e, value="") for e in found)),
    ),
    Variant(
        "every architecture has what any of them has",
        (
            "kconfig.aligned-struct-page",
            "kconfig.dax-vmemmap",
            "kconfig.hugetlb-vmemmap",
            "kconfig.memory-failure",
            "kconfig.pte-devmap",
            "kconfig.pud-thp",
            "kconfig.zone-device",
        ),
        lambda: mock.patch.object(Gate, "is_open", return_value=True),
    ),
    Variant(
        "everything is built in",
        ("feature.built",),
        lambda: mock.patch("harness.model.availability.why_not_built", return_value=None),
    ),
    Variant(
        "an empty PUD is no hindrance",
        ("defect.pud-fault-size",),
        lambda: mock.patch("harness.model.mapping.fails_on_empty_pud", return_value=False),
    ),
    Variant(
        "struct pages are made without complaint",
        ("defect.altmap-exhausted", "defect.radix-compounds", "defect.section-compounds"),
        lambda: mock.patch("harness.model.complaints.of_making", return_value=()),
    ),
    Variant(
        "struct pages go without complaint",
        ("defect.empty-fsdax", "defect.vmemmap-page-shared"),
        lambda: mock.patch("harness.model.complaints.of_destroying", return_value=()),
    ),
    Variant(
        "folios are found wherever they start",
        ("defect.folio-head", "defect.radix-compounds", "defect.section-compounds"),
        lambda: mock.patch.multiple(
            "harness.model.complaints",
            of_touching=mock.Mock(return_value=()),
            of_holding=mock.Mock(return_value=()),
        ),
    ),
    *LIFE_VARIANTS,
    Variant(
        "a memory region may have any size",
        ("defect.rxe-page-list",),
        lambda: mock.patch("harness.model.complaints.of_registering", return_value=()),
    ),
    Variant(
        "the other kernels know of persistent flushes",
        ("rdma.persistent", "rdma.persistent-unknown"),
        attribute(
            "rdma_knows_persistence", lambda m: not m.probe("rdma_persistent_access", since=(6, 2))
        ),
    ),
    Variant(
        "papr_scm marks its memory as persistent, NFIT's driver does not",
        ("rdma.persistent",),
        instead(rdma, "POWERPC", frozenset({"x86", "arm64"})),
    ),
    *DAX_VARIANTS,
)

# What no guest of ours can show to be wrong.
BEYOND_GUESTS = {
    "ns.struct-page": "a struct page above 64 bytes takes KMSAN, which takes clang",
}
