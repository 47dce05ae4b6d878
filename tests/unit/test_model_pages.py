"""page-metadata and hwpoison: references, pins, frames, and who is told of poison."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.model import Machine, Model
from harness.model.folios import folio_at
from harness.model.geometry import place_info_block
from harness.model.page_metadata import held_references, order_of
from harness.model.poison import address_lsb
from harness.model.state import Namespace
from harness.records import KernelFacts, Layout, PmemDevice, Scalar
from harness.scenario.steps import CreateNamespace, Filesystem, HwPoison, PageMetadata, Step
from harness.target import load_targets

TARGETS = load_targets()
MIB, GIB = 1 << 20, 1 << 30
OLD, NEW = (6, 1, 192), (7, 2, 13)
SYMBOLS = (
    "ACPI_NFIT PAPR_SCM LIBNVDIMM BLK_DEV_PMEM ZONE_DEVICE NVDIMM_PFN NVDIMM_DAX DEV_DAX "
    "DEV_DAX_PMEM TRANSPARENT_HUGEPAGE FS_DAX EXT4_FS GUP_TEST MEMORY_FAILURE HWPOISON_INJECT"
)


def machine(
    target: str = "x86_64", version: tuple[int, int, int] = OLD, without: str = ""
) -> Machine:
    symbols = dict.fromkeys(set(SYMBOLS.split()) - {without}, "y")
    kernel = KernelFacts(version, "release", symbols, 64)
    pmem = (PmemDevice(GIB, 4 * GIB, 128 << 10, "uuid"),) if TARGETS[target].pmem else ()
    return Machine(TARGETS[target], kernel, Layout(2 * GIB, 2, pmem))


def devdax(target: str, align: str = "pmd") -> CreateNamespace:
    mmu = TARGETS[target].mmu
    size = {"page": mmu.page_size, "pmd": mmu.pmd_size, "pud": mmu.pud_size}[align]
    return CreateNamespace(mode="devdax", map="mem", align=size)


def last(guest: Machine, *steps: Step) -> dict[str, Scalar]:
    model = Model(guest)
    return {e.name: e.value for e in [model.predict(step) for step in steps][-1].expected}


@pytest.mark.parametrize(
    ("target", "align", "version", "pin", "refcount", "pincount"),
    [
        ("x86_64", "pmd", OLD, False, 513, 0),
        ("x86_64", "pmd", OLD, True, 513, 512),
        ("x86_64", "pmd", NEW, True, 514, 512),
        ("x86_64", "page", OLD, False, 2, None),
        ("x86_64", "page", OLD, True, 1025, None),
        ("x86_64", "page", NEW, True, 1026, None),
        ("ppc64-hash", "pmd", OLD, True, 257, 256),
        ("ppc64-radix", "pmd", NEW, False, 34, 0),
    ],
)
def test_references_of_devdax_pages(
    target: str,
    align: str,
    version: tuple[int, int, int],
    pin: bool,
    refcount: int,
    pincount: int | None,
) -> None:
    step = PageMetadata(memory="devdax", pages=(3,), pin=pin)
    seen = last(machine(target, version), devdax(target, align), step)
    assert (seen["page3.refcount"], seen["page3.pincount"]) == (refcount, pincount)
    assert seen["page3.mapcount"] == (version == NEW)


@pytest.mark.parametrize(("version", "refcount", "mapcount"), [(OLD, 1 + 32, 0), (NEW, 3 + 32, 2)])
def test_mappings_of_another_process_count_where_they_do(
    version: tuple[int, int, int], refcount: int, mapcount: int
) -> None:
    step = PageMetadata(memory="devdax", pages=(3,), also_mapped=True)
    seen = last(machine("ppc64-radix", version), devdax("ppc64-radix", "pmd"), step)
    assert (seen["page3.refcount"], seen["page3.mapcount"]) == (refcount, mapcount)
    file = (CreateNamespace(mode="fsdax", map="mem"), Filesystem(type="ext4"))
    step = PageMetadata(memory="fsdax", pages=(3,), also_mapped=True)
    seen = last(machine("ppc64-radix", version), *file, step)
    assert (seen["page3.refcount"], seen["page3.mapcount"]) == (2 + bool(mapcount), mapcount)


def test_frames_count_from_where_data_starts() -> None:
    seen = last(machine(), devdax("x86_64"), PageMetadata(memory="devdax", pages=(0, 600)))
    assert seen["page0.pfn"] == (4 * GIB + 2 * MIB) // 4096
    assert seen["page600.pfn"] == (4 * GIB + 2 * MIB) // 4096 + 600


@pytest.mark.parametrize(("pin", "refcount"), [(False, 2), (True, 1025)])
def test_pages_of_a_dax_file_are_single_before_the_rework(pin: bool, refcount: int) -> None:
    file = (CreateNamespace(mode="fsdax", map="mem"), Filesystem(type="ext4"))
    seen = last(machine(), *file, PageMetadata(memory="fsdax", pages=(0,), pin=pin))
    assert (seen["page0.refcount"], seen["page0.order"]) == (refcount, 0)


@pytest.mark.parametrize(
    "fields", [{"size": MIB + 4096}, {"size": 2 * GIB}, {"size": 2 * MIB, "pages": (512,)}]
)
def test_pages_that_gup_test_cannot_dump(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        last(machine(), devdax("x86_64"), PageMetadata(memory="devdax", **fields))


def test_a_mapping_of_another_size_than_its_entries_is_refused() -> None:
    guest, device = machine(), devdax("x86_64")
    refused = {"outcome": "mmap-refused"}
    assert last(guest, device, PageMetadata(memory="devdax", size=3 * MIB)) == refused
    assert last(guest, device, HwPoison(size=MIB)) == {"outcome": "refused", "errno": "EINVAL"}


@given(st.integers(0, 20), st.integers(0, 20), st.booleans())
def test_each_page_held_is_at_least_a_reference(order: int, log_held: int, pin: bool) -> None:
    held = 1 << min(order, log_held)
    references = held_references(order, held, pin=pin)
    assert references >= held
    assert (references > held) == (pin and order == 0)


@given(st.integers(12, 40), st.integers(0, 28))
def test_order_and_lsb_of_powers_of_two(page_shift: int, order: int) -> None:
    assert order_of(1 << (page_shift + order), 1 << page_shift) == order
    assert address_lsb(1 << (page_shift + order)) == page_shift + order


@pytest.mark.parametrize(
    ("target", "align", "lsb", "head"),
    [
        ("x86_64", "pmd", 21, 0x2000000),
        ("x86_64", "page", 12, 0x2003000),
        ("arm64", "pmd", 21, 0x2000000),
        ("ppc64-hash", "pmd", 24, 0x2000000),
        ("ppc64-radix", "pmd", 21, 0x2000000),
        ("ppc64-hash", "page", 16, 0x2000000),
    ],
)
def test_the_signal_names_the_entry(target: str, align: str, lsb: int, head: int) -> None:
    seen = last(machine(target), devdax(target, align), HwPoison(offset=0x2003000))
    assert (seen["signal"], seen["code"]) == ("SIGBUS", "BUS_MCEERR_AR")
    assert (seen["address_lsb"], seen["address_offset"]) == (lsb, head)


@pytest.mark.parametrize(
    ("via", "early", "own", "other", "other_faults", "messages"),
    [
        ("madvise", False, "BUS_MCEERR_AR", None, 1, 1),
        ("madvise", True, "BUS_MCEERR_AR", "BUS_MCEERR_AO", 1, 2),
        ("corrupt-pfn", True, None, "BUS_MCEERR_AO", 1, 1),
        ("corrupt-pfn", False, None, None, 0, 0),
    ],
)
def test_who_is_told(
    via: Any, early: bool, own: str | None, other: str | None, other_faults: int, messages: int
) -> None:
    seen = last(machine(), devdax("x86_64"), HwPoison(via=via, early=early))
    assert (seen.get("code"), seen.get("other_code")) == (own, other)
    assert (seen["other_faults"], seen["sigbus_messages"]) == (other_faults, messages)


@pytest.mark.parametrize("fields", [{"size": 2 * GIB}, {"offset": 64 * MIB}])
def test_poison_lies_in_a_mapping_that_can_be(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="hwpoison needs"):
        last(machine(), devdax("x86_64"), HwPoison(**fields))


def test_without_a_device_there_is_nothing_to_poison() -> None:
    assert last(machine(), HwPoison()) == {"outcome": "no-device"}


@pytest.mark.parametrize(
    ("without", "via", "lacking"),
    [
        ("MEMORY_FAILURE", "madvise", True),
        ("HWPOISON_INJECT", "madvise", False),
        ("HWPOISON_INJECT", "corrupt-pfn", True),
    ],
)
def test_poison_needs_its_symbols(without: str, via: Any, lacking: bool) -> None:
    reason = Model(machine(without=without)).unsupported([HwPoison(via=via)])
    assert (reason is not None and without in reason) is lacking


@pytest.mark.parametrize("step", [HwPoison(), PageMetadata(memory="devdax")])
def test_s390x_says_why_not(step: Step) -> None:
    assert "s390x" in str(Model(machine("s390x")).unsupported([step]))


OFF = (CreateNamespace(mode="raw", size=512 * MIB), devdax("x86_64", "pud"))


def large(version: tuple[int, int, int] = OLD) -> Machine:
    """A region with room for a namespace that starts half a PUD off."""
    pmem = (PmemDevice(4 * GIB + 512 * MIB, 4 * GIB, 128 << 10, "uuid"),)
    return Machine(TARGETS["x86_64"], machine(version=version).kernel, Layout(2 * GIB, 2, pmem))


def test_folios_off_their_alignment_start_with_the_namespace() -> None:
    """Half of the first entry is of the folio of the info block, half of the next one."""
    step = PageMetadata(memory="devdax", size=2 * GIB, pages=(0, 262143, 262144), pin=True)
    seen = last(large(), *OFF, step)
    assert [seen[f"page{n}.refcount"] for n in step.pages] == [1 + 131072, 1 + 262144, 1 + 262144]
    assert seen["page0.pincount"] == 131072
    assert seen["page0.order"] == 18


def test_poison_is_told_by_the_entry_that_the_folio_is_known_by() -> None:
    first = last(large(), *OFF, HwPoison(size=2 * GIB, offset=512 * MIB - 4096))
    second = last(large(), *OFF, HwPoison(size=2 * GIB, offset=512 * MIB))
    assert (first["address_offset"], second["address_offset"]) == (0, GIB)
    with pytest.raises(UserError, match="known by the entry at 1G"):
        last(large(), *OFF, HwPoison(size=GIB, offset=512 * MIB))


@given(
    units=st.integers(0, 63),
    size=st.integers(2, 3),
    map_=st.sampled_from(["mem", "dev"]),
    offset=st.integers(0, 262143),
)
def test_a_folio_holds_the_page_that_it_is_asked_for(
    units: int, size: int, map_: Literal["mem", "dev"], offset: int
) -> None:
    """It has the alignment's size, and starts with the namespace or with its data."""
    start, raw = 4 * GIB + units * 16 * MIB, size * GIB
    info = place_info_block(
        start=start, raw_bytes=raw, align=GIB, compat=2 * MIB, page=4096, map_=map_
    )
    device = Namespace("devdax", map_, start, raw, info.size_bytes, GIB, info)
    folio = folio_at(device, offset * 4096)
    assert folio.start <= offset * 4096 < folio.end
    assert folio.size == GIB
    origin = info.data_offset if map_ == "dev" else 0
    assert (info.data_offset + folio.start - origin) % GIB == 0
