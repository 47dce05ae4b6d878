"""rdma-register: which memory is registered, what is pinned, and what is left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from harness.errors import UserError
from harness.model import Machine, Model
from harness.records import KERNEL_REPORT, KernelFacts, Layout, PmemDevice, Prediction, Scalar
from harness.scenario.steps import CreateNamespace, Filesystem, RdmaRegister, Step
from harness.target import load_targets

TARGETS = load_targets()
MIB, GIB = 1 << 20, 1 << 30
OLD, LTS, NEW = (6, 1, 192), (6, 12, 118), (7, 2, 13)
WITH_PMEM = ["x86_64", "arm64", "ppc64-hash", "ppc64-radix"]

SYMBOLS = (
    "ACPI_NFIT PAPR_SCM LIBNVDIMM BLK_DEV_PMEM ZONE_DEVICE NVDIMM_PFN NVDIMM_DAX DEV_DAX "
    "DEV_DAX_PMEM TRANSPARENT_HUGEPAGE HUGETLBFS FS_DAX EXT4_FS XFS_FS INFINIBAND_USER_ACCESS "
    "RDMA_RXE"
)
DEVDAX = CreateNamespace(mode="devdax", map="mem")
DAX_FILE = (CreateNamespace(mode="fsdax", map="mem"), Filesystem(type="ext4"))
PLAIN_FILE = (CreateNamespace(mode="raw"), Filesystem(type="xfs"))


def machine(
    target: str = "x86_64",
    version: tuple[int, int, int] = OLD,
    without: str = "",
    probes: dict[str, bool | int] | None = None,
) -> Machine:
    symbols = dict.fromkeys(set(SYMBOLS.split()) - {without}, "y")
    kernel = KernelFacts(version, "release", symbols, 64, probes or {})
    pmem = (PmemDevice(2 * GIB, 4 * GIB, 128 << 10, "uuid"),) if TARGETS[target].pmem else ()
    return Machine(TARGETS[target], kernel, Layout(2 * GIB, 2, pmem))


def last(guest: Machine, *steps: Step) -> Prediction:
    """What the last step must show, after all before it."""
    model = Model(guest)
    return [model.predict(step) for step in steps][-1]


def values(guest: Machine, *steps: Step) -> dict[str, Scalar]:
    return {expected.name: expected.value for expected in last(guest, *steps).expected}


def rdma(**fields: Any) -> RdmaRegister:
    return RdmaRegister(**{"memory": "devdax", **fields})


@pytest.mark.parametrize("version", [OLD, LTS, NEW])
@pytest.mark.parametrize("memory", ["anon", "thp", "hugetlb", "devdax"])
@pytest.mark.parametrize("target", WITH_PMEM)
def test_every_base_page_is_pinned_until_deregistration(
    target: str, memory: str, version: tuple[int, int, int]
) -> None:
    guest = machine(target, version)
    seen = values(guest, DEVDAX, rdma(memory=memory, size=32 * MIB))
    assert seen["outcome"] == "registered"
    assert seen["pinned_pages"] == seen["pinned_pages_unmapped"] == 32 * MIB // guest.page
    assert seen["pinned_vm_bytes"] == seen["intact_bytes"] == 32 * MIB
    assert seen["pinned_pages_left"] == seen["pinned_vm_bytes_left"] == 0


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("version", [OLD, LTS, NEW])
def test_files(version: tuple[int, int, int], write: bool) -> None:
    guest, step = machine(version=version), rdma(memory="fsdax", write=write)
    direct, cached = values(guest, *DAX_FILE, step), values(guest, *PLAIN_FILE, step)
    assert direct["errno"] == "EOPNOTSUPP"
    assert cached.get("errno") == ("EFAULT" if write and version > OLD else None)
    assert cached["outcome"] == ("refused" if "errno" in cached else "registered")


def test_a_region_that_goes_on_behind_the_device_is_refused_whole() -> None:
    seen = values(machine(), DEVDAX, rdma(size=2 * GIB))
    assert seen == {
        "outcome": "refused",
        "errno": "EFAULT",
        "pinned_pages_left": 0,
        "pinned_vm_bytes_left": 0,
    }


def test_what_is_not_mapped_is_not_registered() -> None:
    assert values(machine(), rdma()) == {"outcome": "no-device"}
    assert values(machine(), rdma(memory="fsdax")) == {"outcome": "no-device"}
    odd = values(machine(), DEVDAX, rdma(size=3 * MIB))
    assert odd == {"outcome": "mmap-refused", "errno": "EINVAL"}


@pytest.mark.parametrize(
    ("target", "version", "memory", "rule"),
    [
        ("x86_64", NEW, "devdax", None),
        ("arm64", LTS, "devdax", None),
        ("ppc64-hash", NEW, "devdax", "rdma.persistent"),
        ("ppc64-radix", LTS, "devdax", "rdma.persistent"),
        ("x86_64", NEW, "anon", "rdma.persistent"),
        ("x86_64", OLD, "devdax", "rdma.persistent-unknown"),
        ("ppc64-hash", OLD, "anon", "rdma.persistent-unknown"),
    ],
)
def test_memory_for_persistent_flushes(
    target: str, version: tuple[int, int, int], memory: str, rule: str | None
) -> None:
    steps = (DEVDAX, rdma(memory=memory, persistent=True))
    outcome = next(e for e in last(machine(target, version), *steps).expected)
    assert outcome.value == ("refused" if rule else "registered")
    assert outcome.rule.id == (rule or "rdma.registered")


@pytest.mark.parametrize(
    ("target", "version", "size", "complains"),
    [
        ("x86_64", LTS, GIB, False),
        ("x86_64", LTS, GIB + 2 * MIB, True),
        ("arm64", NEW, GIB + 2 * MIB, True),
        ("ppc64-hash", NEW, GIB + 16 * MIB, False),
        ("x86_64", OLD, GIB + 2 * MIB, False),
    ],
)
def test_a_gigabyte_of_base_pages_is_all_that_rxe_can_list(
    target: str, version: tuple[int, int, int], size: int, complains: bool
) -> None:
    steps = (DEVDAX, rdma(size=size, moved=MIB))
    assert (KERNEL_REPORT in values(machine(target, version), *steps)) == complains
    mended = machine(target, version, probes={"rxe_page_list_fits": True})
    assert values(mended, *steps)["intact_bytes"] == MIB


@pytest.mark.parametrize("symbol", ["INFINIBAND_USER_ACCESS", "RDMA_RXE"])
def test_a_kernel_without_soft_roce(symbol: str) -> None:
    reason = last(machine(without=symbol), rdma(memory="anon")).unsupported
    assert reason == f"the kernel is built without CONFIG_{symbol}"


@pytest.mark.parametrize(("memory", "there"), [("anon", True), ("thp", False), ("devdax", False)])
def test_what_s390x_has(memory: str, there: bool) -> None:
    assert (last(machine("s390x"), rdma(memory=memory)).unsupported is None) == there


@pytest.mark.parametrize(
    ("before", "fields", "field"),
    [
        ([], {"memory": "hugetlb", "size": MIB}, "size"),
        ([], {"memory": "anon", "size": 6000}, "size"),
        ([], {"memory": "anon", "moved": 32 * MIB}, "moved"),
        ([], {"memory": "anon", "moved": 12}, "moved"),
        ([DEVDAX], {"size": 2 * GIB, "write": False}, "size"),
    ],
)
def test_what_no_guest_could_do(before: Iterable[Step], fields: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError) as caught:
        last(machine(), *before, rdma(**fields))
    assert caught.value.field == field
