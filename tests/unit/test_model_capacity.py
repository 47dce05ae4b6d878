"""Steps that want more RAM than the guest has: bad input, found before a kernel is blamed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.records import KernelFacts, Layout, PmemDevice, SoftReserved
from harness.scenario.expand import expand
from harness.scenario.schema import load_scenarios
from harness.scenario.steps import (
    CreateNamespace,
    Fault,
    FileIo,
    Filesystem,
    GupTest,
    HwPoison,
    Mmap,
    PageMetadata,
    RdmaRegister,
    ReconfigureDevice,
    Step,
    WriteRead,
)
from harness.target import load_targets

TARGETS = load_targets()
MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
SYMBOLS = (
    "ACPI_NFIT LIBNVDIMM BLK_DEV_PMEM ZONE_DEVICE NVDIMM_PFN NVDIMM_DAX DEV_DAX DEV_DAX_PMEM"
    " DEV_DAX_KMEM MEMORY_HOTPLUG MEMORY_HOTREMOVE TRANSPARENT_HUGEPAGE TRANSPARENT_HUGEPAGE_ALWAYS"
    " HUGETLBFS FS_DAX EXT4_FS XFS_FS BTT GUP_TEST MEMORY_FAILURE INFINIBAND_USER_ACCESS RDMA_RXE"
    " NUMA ACPI_NUMA"
)
DEVICE = PmemDevice(16 * GIB, 4 * GIB, 128 << 10, "uuid")
FILE = (CreateNamespace(mode="fsdax", map="dev"), Filesystem(type="ext4", file_size=3 * GIB))


def model(ram: int = 2 * GIB, **layout: Any) -> Model:
    kernel = KernelFacts((6, 1, 192), "release", dict.fromkeys(SYMBOLS.split(), "y"), 64)
    given = Layout(**{"ram_bytes": ram, "cpus": 2, "pmem": (DEVICE,), **layout})
    return Model(Machine(TARGETS["x86_64"], kernel, given))


def predict(guest: Model, *steps: Step) -> None:
    for step in steps:
        assert guest.predict(step).unsupported is None


def refused(guest: Model, *steps: Step) -> UserError:
    predict(guest, *steps[:-1])
    with pytest.raises(UserError, match=r"do not fit into|has no memory at this point") as caught:
        guest.predict(steps[-1])
    return caught.value


def gup(memory: Any, size: int) -> GupTest:
    return GupTest(command="pin-fast", memory=memory, size=size)


def fault(**fields: Any) -> Fault:
    return Fault(**{"memory": "anon", "access": "write", **fields})


def mmap(**fields: Any) -> Mmap:
    return Mmap(**{"memory": "anon", "access": "write", **fields})


@pytest.mark.parametrize("memory", ["anon", "thp", "shmem", "hugetlb"])
def test_memory_that_gup_test_writes_to_must_fit(memory: str) -> None:
    error = refused(model(), gup(memory, 2 * GIB))
    assert (error.field, error.hint) == ("size", "1916M or less")
    predict(model(), gup(memory, 1916 * MIB))
    predict(model(4 * GIB), gup(memory, 2 * GIB))


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        (fault(size=3 * GIB, length=MIB), "1920M or less"),
        (fault(size=3 * GIB, access="read"), "1920M or less"),
        (fault(size=1918 * MIB), "1916M or less"),
        (mmap(size=GIB), "958M or less"),
        (mmap(size=2 * GIB, fork=False), "1916M or less"),
        (mmap(size=1919 * MIB, fork=False, access="read", lock=True), "1916M or less"),
        (HwPoison(memory="anon", size=2 * GIB), "1912M or less"),
        (RdmaRegister(memory="thp", size=2 * GIB), "1916M or less"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_memory_that_is_mapped_must_fit(step: Step, hint: str) -> None:
    error = refused(model(), step)
    assert (error.field, error.hint) == ("size", hint)
    fits = step.model_copy(update={"size": int(hint.partition("M")[0]) * MIB})
    predict(model(), fits)


def test_touching_what_fits_is_named_by_its_length() -> None:
    error = refused(model(), fault(size=1920 * MIB, length=1918 * MIB))
    assert (error.field, error.hint) == ("length", "1916M or less")


@pytest.mark.parametrize(
    "step",
    [
        fault(size=1920 * MIB, access="read"),
        fault(size=1920 * MIB, length=MIB),
        fault(size=64 * GIB, writable=False),
        mmap(size=1500 * MIB, access="read"),
        Fault(memory="fsdax", size=3 * GIB, access="write"),
        Fault(memory="fsdax", size=3 * GIB, sharing="private", writable=False),
    ],
)
def test_what_takes_no_ram_need_not_fit(step: Step) -> None:
    """Zero pages are one for all, and a DAX file is where it is."""
    predict(model(), *FILE, step)


def test_copies_of_a_file_must_fit() -> None:
    step = Mmap(memory="fsdax", size=GIB, sharing="private", access="write")
    assert refused(model(), *FILE, step).hint == "958M or less"


CACHED = (CreateNamespace(mode="sector"), Filesystem(type="xfs", file_size=3 * GIB))


@pytest.mark.parametrize(
    "step",
    [
        gup("fsdax", 2 * GIB),
        PageMetadata(memory="fsdax", size=2 * GIB),
        RdmaRegister(memory="fsdax", size=2 * GIB),
        Mmap(memory="fsdax", size=2 * GIB, lock=True, fork=False),
    ],
    ids=lambda step: step.kind,
)
def test_what_is_held_of_a_page_cache_must_fit(step: Step) -> None:
    error = refused(model(), *CACHED, step)
    assert (error.field, error.hint) == ("size", "1916M or less")
    predict(model(), *CACHED, step.model_copy(update={"size": GIB}))
    predict(model(), *FILE, step)


def test_anonymous_memory_is_locked_whatever_file_system_there_is() -> None:
    step = mmap(size=1919 * MIB, fork=False, access="read", lock=True)
    assert refused(model(), *FILE, step).hint == "1916M or less"


def test_what_is_not_held_of_a_page_cache_goes_for_others() -> None:
    predict(model(), *CACHED, Mmap(memory="fsdax", size=2 * GIB, access="write"))


@pytest.mark.parametrize(
    ("step", "ram", "hint"),
    [
        (WriteRead(memory="fsdax", size=2 * GIB, hole=True), 2 * GIB, "1916M or less"),
        (FileIo(size=2 * GIB - 8192), 2 * GIB, "1915M or less"),
    ],
    ids=lambda value: value.kind if isinstance(value, Step) else "",
)
def test_what_is_written_or_read_in_one_piece_must_fit(step: Step, ram: int, hint: str) -> None:
    error = refused(model(ram), *FILE, step)
    assert (error.field, error.hint) == ("size", hint)
    predict(model(ram + GIB), *FILE, step)


def test_one_read_gives_less_than_2g() -> None:
    predict(model(8 * GIB), *FILE, FileIo(size=2 * GIB - 4096))
    predict(guest := model(8 * GIB), *FILE)
    with pytest.raises(UserError, match=r"one read\(\) gives 0x7ffff000 bytes at the most"):
        guest.predict(FileIo(size=2 * GIB))


def test_of_huge_pages_there_are_whole_ones() -> None:
    """On arm64 with pages of 64K one has 512M, all that there is."""
    target = TARGETS["arm64-64k"]
    facts = assumed_facts(parse_kernel_spec("debian:6.1"), target.kernel.fragments)
    guest = Model(Machine(target, facts, Layout(512 * MIB, 2)))
    error = refused(guest, gup("hugetlb", 64 * MIB))
    assert (error.field, error.hint) == ("size", "a layout with more ram")
    predict(Model(Machine(target, facts, Layout(GIB, 2))), gup("hugetlb", 64 * MIB))
    assert refused(
        Model(Machine(target, facts, Layout(GIB, 2))), gup("hugetlb", 600 * MIB)
    ).hint == ("512M or less")


def test_ram_is_that_of_all_nodes_and_not_what_is_set_aside() -> None:
    predict(model(4 * GIB, nodes=(2 * GIB, 2 * GIB)), gup("anon", 3 * GIB))
    aside = SoftReserved(2 * GIB, 4 * GIB)
    assert refused(model(4 * GIB, soft_reserved=(aside,)), gup("anon", 3 * GIB)).hint == (
        "1916M or less"
    )


NODES: dict[str, Any] = {
    "ram": 3 * GIB,
    "nodes": (2 * GIB, GIB, 0),
    "pmem": (replace(DEVICE, node=2),),
}


@pytest.mark.parametrize(
    ("node", "size", "field", "hint"),
    [
        (1, GIB, "size", "896M or less"),
        (0, 2 * GIB, "size", "1920M or less"),
        (2, MIB, "node", "0, 1"),
        (3, MIB, "node", "0, 1"),
    ],
)
def test_memory_of_one_node_must_fit_into_that(node: int, size: int, field: str, hint: str) -> None:
    error = refused(model(**NODES), HwPoison(memory="anon", size=size, node=node))
    assert (error.field, error.hint) == (field, hint)


def test_what_is_set_aside_is_of_one_node() -> None:
    """The second of two nodes, from 4G on, is soft-reserved as a whole."""
    nodes = {"nodes": (2 * GIB, 2 * GIB), "soft_reserved": (SoftReserved(2 * GIB, 4 * GIB),)}
    guest = model(4 * GIB, **nodes)
    predict(guest, HwPoison(memory="anon", size=1900 * MIB, node=0))
    error = refused(guest, HwPoison(memory="anon", size=MIB, node=1))
    assert (error.field, error.hint) == ("node", "0")


def test_a_device_that_is_ram_is_its_nodes() -> None:
    as_ram = (CreateNamespace(mode="devdax", map="dev"), ReconfigureDevice(mode="system-ram"))
    predict(model(**NODES), *as_ram, HwPoison(memory="shmem", size=GIB, node=2))
    error = refused(model(**NODES), *as_ram, HwPoison(memory="shmem", size=GIB, node=3))
    assert (error.field, error.hint) == ("node", "0, 1, 2")


def test_struct_pages_take_of_it_and_devices_that_are_ram_add_to_it() -> None:
    namespace = CreateNamespace(mode="devdax", map="mem", size=2 * GIB)
    assert refused(model(), namespace, gup("anon", 2 * GIB)).hint == "1884M or less"
    ram = ReconfigureDevice(mode="system-ram")
    predict(model(), namespace, ram, gup("anon", 2 * GIB))


def test_a_guest_with_little_ram_has_some_for_a_step() -> None:
    predict(model(128 * MIB), gup("anon", 16 * MIB))


def test_it_is_told_with_its_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(
        "scenario: large\nsummary: more than there is\ntargets: [x86_64]\nsteps:\n"
        "  - features:\n  - fault:\n      memory: anon\n      size: 64G\n"
    )
    (scenario,) = load_scenarios(path)
    (cell,) = expand(scenario, {"x86_64": TARGETS["x86_64"]})
    with pytest.raises(UserError) as caught:
        Model(model().machine).unsupported(cell.steps)
    error = cell.error(1, caught.value)
    assert str(error) == (
        f"{path}:8: steps.1.fault.size: 64G do not fit into the guest's RAM:"
        " of 2G there are 1920M for it\n  try: 1920M or less"
    )
