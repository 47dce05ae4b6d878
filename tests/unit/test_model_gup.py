"""gup-test, filesystem and write-read: outcomes and counters by memory, command, kernel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.model import Machine, Model
from harness.model.gup import run_gup_loop
from harness.records import KernelFacts, Layout, PmemDevice, Prediction, Scalar
from harness.scenario.steps import (
    CreateNamespace,
    DestroyNamespaces,
    Filesystem,
    GupTest,
    ReadBack,
    Step,
    WriteRead,
)
from harness.target import load_targets

TARGETS = load_targets()
MIB, GIB = 1 << 20, 1 << 30
OLD, NEW = (6, 1, 192), (7, 2, 13)
VERSIONS = [OLD, (6, 12, 117), NEW]

SYMBOLS = (
    "ACPI_NFIT PAPR_SCM LIBNVDIMM BLK_DEV_PMEM BTT ZONE_DEVICE NVDIMM_PFN NVDIMM_DAX DEV_DAX "
    "DEV_DAX_PMEM TRANSPARENT_HUGEPAGE HUGETLBFS GUP_TEST FS_DAX EXT4_FS XFS_FS"
)
COMMANDS = ["get-fast", "get", "pin-fast", "pin", "longterm"]
PINS = ["pin-fast", "pin", "longterm"]
DEVDAX = CreateNamespace(mode="devdax", map="mem")
FSDAX = CreateNamespace(mode="fsdax", map="mem")
EXT4 = Filesystem(type="ext4")


def machine(
    target: str = "x86_64",
    version: tuple[int, int, int] = OLD,
    size: int = 2 * GIB,
    without: str = "",
    **config: str,
) -> Machine:
    symbols = dict.fromkeys(set(SYMBOLS.split()) - {without}, "y")
    kernel = KernelFacts(version, "release", {**symbols, **config}, 64)
    pmem = (PmemDevice(size, 4 * GIB, 128 << 10, "uuid"),) if TARGETS[target].pmem else ()
    return Machine(TARGETS[target], kernel, Layout(2 * GIB, 2, pmem))


def values(prediction: Prediction) -> dict[str, Scalar]:
    return {expected.name: expected.value for expected in prediction.expected}


def last(guest: Machine, steps: Iterable[Step]) -> dict[str, Scalar]:
    """What the last step must show, after all before it."""
    model = Model(guest)
    return [values(model.predict(step)) for step in steps][-1]


def gup(**fields: Any) -> GupTest:
    return GupTest(**{"command": "pin-fast", "memory": "anon", **fields})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("memory", ["anon", "thp", "hugetlb", "shmem", "devdax", "fsdax"])
@pytest.mark.parametrize("target", ["x86_64", "arm64", "ppc64-hash", "ppc64-radix"])
def test_outcome_table(
    target: str, memory: str, command: str, version: tuple[int, int, int]
) -> None:
    places: dict[str, list[Step]] = {"devdax": [DEVDAX], "fsdax": [FSDAX, EXT4]}
    before = places.get(memory, [])
    guest = machine(target, version)
    seen = last(guest, [*before, gup(command=command, memory=memory, size=64 * MIB, repeats=3)])
    refused = memory == "fsdax" and command == "longterm"
    pinned = 3 * 64 * MIB // guest.page if command in PINS and not refused else 0
    assert seen["outcome"] == "ran"
    assert seen["results"] == 3
    assert seen["truncated_bytes"] == (0 if refused else None)
    assert seen["pinned_pages"] == seen["unpinned_pages"] == pinned


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("shared", [True, False])
def test_devdax_is_mapped_shared_or_not_at_all(command: str, shared: bool) -> None:
    seen = last(machine(), [DEVDAX, gup(command=command, memory="devdax", shared=shared)])
    if shared:
        assert seen["outcome"] == "ran"
    else:
        assert seen == {"outcome": "mmap-refused", "errno": "EINVAL"}


@pytest.mark.parametrize(
    ("align", "outcome"), [(4096, "ran"), (2 * MIB, "killed"), (GIB, "killed")]
)
def test_devdax_without_huge_pages_only_works_with_base_pages(align: int, outcome: str) -> None:
    namespace = DEVDAX.model_copy(update={"align": align})
    seen = last(machine(), [namespace, gup(memory="devdax", size=GIB, huge=False)])
    assert seen["outcome"] == outcome
    assert seen.get("signal") == ("SIGBUS" if outcome == "killed" else None)


def test_other_memory_does_without_huge_pages() -> None:
    assert last(machine(), [gup(huge=False)])["outcome"] == "ran"
    steps = [FSDAX, EXT4, gup(memory="fsdax", huge=False)]
    assert last(machine(), steps)["outcome"] == "ran"


def test_a_devdax_mapping_is_a_multiple_of_the_alignment_long() -> None:
    namespace = DEVDAX.model_copy(update={"align": GIB})
    seen = last(machine(), [namespace, gup(memory="devdax", size=64 * MIB)])
    assert seen == {"outcome": "mmap-refused", "errno": "EINVAL"}
    assert last(machine(), [namespace, gup(memory="devdax", size=GIB)])["outcome"] == "ran"


@pytest.mark.parametrize(("over", "outcome"), [(0, "ran"), (2 * MIB, "killed")])
def test_devdax_ends_in_sigbus(over: int, outcome: str) -> None:
    seen = last(machine(), [DEVDAX, gup(memory="devdax", size=2046 * MIB + over)])
    assert seen["outcome"] == outcome


def test_the_device_made_last_is_mapped() -> None:
    small = DEVDAX.model_copy(update={"size": 32 * MIB})
    assert last(machine(), [small, DEVDAX, gup(memory="devdax")])["outcome"] == "ran"


@pytest.mark.parametrize("shared", [True, False])
def test_a_dax_file_is_as_long_as_it_is(shared: bool) -> None:
    steps = [FSDAX, Filesystem(type="ext4", file_size=32 * MIB)]
    fits = gup(memory="fsdax", size=32 * MIB, shared=shared)
    longer = gup(memory="fsdax", size=33 * MIB, shared=shared)
    assert last(machine(), [*steps, fits])["outcome"] == "ran"
    assert last(machine(), [*steps, longer]) == {"outcome": "killed", "signal": "SIGBUS"}


def test_private_pages_of_a_dax_file_are_not_pinned_for_long_either() -> None:
    step = gup(memory="fsdax", command="longterm", shared=False)
    assert last(machine(version=NEW), [FSDAX, EXT4, step])["truncated_bytes"] == 0


@pytest.mark.parametrize(
    ("version", "flags", "truncated"),
    [
        (OLD, {}, None),
        (NEW, {}, 0),
        (NEW, {"write": False}, None),
        (NEW, {"shared": False}, None),
    ],
)
def test_a_file_without_dax_is_pinned_for_long_up_to_6_5(
    version: tuple[int, int, int], flags: dict[str, bool], truncated: int | None
) -> None:
    steps = [CreateNamespace(mode="raw"), Filesystem(type="xfs")]
    step = gup(memory="fsdax", command="longterm", **flags)
    assert last(machine(version=version), [*steps, step])["truncated_bytes"] == truncated


@pytest.mark.parametrize(
    ("memory", "before"),
    [("devdax", []), ("fsdax", []), ("devdax", [FSDAX]), ("fsdax", [FSDAX]), ("fsdax", [DEVDAX])],
)
def test_nothing_to_map(memory: str, before: list[Step]) -> None:
    assert last(machine(), [*before, gup(memory=memory)]) == {"outcome": "no-device"}


def test_destroying_takes_the_device_away() -> None:
    steps = [DEVDAX, DestroyNamespaces(), gup(memory="devdax")]
    assert last(machine(), steps) == {"outcome": "no-device"}
    steps = [FSDAX, EXT4, DestroyNamespaces(), gup(memory="fsdax")]
    assert last(machine(), steps) == {"outcome": "no-device"}


@pytest.mark.parametrize(
    ("target", "huge"),
    [("x86_64", 2), ("arm64", 2), ("ppc64-radix", 2), ("ppc64-hash", 16)],
)
def test_huge_page_sizes(target: str, huge: int) -> None:
    assert last(machine(target), [gup(memory="hugetlb")])["huge_page_bytes"] == huge * MIB


@pytest.mark.parametrize(("version", "pages"), [(OLD, 160), (NEW, 256)])
def test_new_gup_test_rounds_hugetlb_up(version: tuple[int, int, int], pages: int) -> None:
    """10M of 16M pages, counted in 64K pages."""
    seen = last(machine("ppc64-hash", version), [gup(memory="hugetlb", size=10 * MIB)])
    assert seen["pinned_pages"] == pages


def test_huge_page_faults_are_a_lower_bound() -> None:
    prediction = Model(machine()).predict(gup(memory="thp", size=64 * MIB))
    faults = next(e for e in prediction.expected if e.name == "thp_faults")
    assert (faults.value, faults.relation) == (31, ">=")


def test_cma_lets_longterm_pins_run_ahead() -> None:
    def relation(guest: Machine) -> str:
        prediction = Model(guest).predict(gup(command="longterm"))
        return next(e.relation for e in prediction.expected if e.name == "pinned_pages")

    assert relation(machine()) == "=="
    assert relation(machine(CMA="y")) == ">="


def test_gup_works_where_pmem_does_not_exist() -> None:
    guest = machine("s390x")
    assert last(guest, [gup(command="longterm")])["outcome"] == "ran"
    assert "s390x" in str(Model(guest).unsupported([gup(memory="devdax")]))


@pytest.mark.parametrize(
    ("without", "memory"),
    [("GUP_TEST", "anon"), ("HUGETLBFS", "hugetlb"), ("TRANSPARENT_HUGEPAGE", "thp")],
)
def test_what_the_kernel_lacks_is_told_before_boot(without: str, memory: str) -> None:
    assert Model(machine(without=without)).unsupported([gup(memory=memory)]) is not None
    assert Model(machine()).unsupported([gup(memory=memory)]) is None


def test_gup_test_counts_in_mib() -> None:
    with pytest.raises(pydantic.ValidationError, match="gup_test counts in MiB, not 1028K"):
        gup(size=MIB + 4096)


@pytest.mark.parametrize("target", ["x86_64", "arm64", "ppc64-hash", "ppc64-radix"])
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_file_systems_have_the_page_as_block(target: str, kind: Any) -> None:
    seen = last(machine(target), [FSDAX, Filesystem(type=kind, file_size=32 * MIB)])
    page = TARGETS[target].mmu.page_size
    assert seen == {
        "outcome": "mounted",
        "dax": True,
        "block_bytes": page,
        "file_bytes": 32 * MIB,
    }


@pytest.mark.parametrize("mode", ["raw", "sector"])
def test_without_struct_pages_ext4_refuses_and_xfs_does_without_dax(mode: Any) -> None:
    namespace = CreateNamespace(mode=mode)
    assert last(machine(), [namespace, EXT4]) == {"outcome": "refused"}
    xfs = last(machine(), [namespace, Filesystem(type="xfs")])
    assert (xfs["outcome"], xfs["dax"]) == ("mounted", False)


def test_xfs_wants_300_mib() -> None:
    small = CreateNamespace(mode="fsdax", map="mem", size=256 * MIB)
    assert last(machine(), [small, Filesystem(type="xfs")]) == {"outcome": "refused"}
    assert last(machine(), [small, EXT4])["outcome"] == "mounted"


def test_a_file_system_needs_a_block_device() -> None:
    assert last(machine(), [DEVDAX, EXT4]) == {"outcome": "refused"}


def test_a_file_that_never_fits_is_the_users_error() -> None:
    with pytest.raises(UserError, match="does not fit"):
        last(machine(), [FSDAX, Filesystem(type="ext4", file_size=2 * GIB)])


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"size": 513}, "512 or 520"),
        ({"size": 7}, "8"),
        ({"size": 64 * 1024 + 8, "hole": True}, "64K or 65552"),
    ],
)
def test_what_is_mapped_is_written_in_words(fields: dict[str, Any], hint: str) -> None:
    before = [FSDAX, EXT4, WriteRead(memory="fsdax")]
    for kind in (WriteRead, ReadBack):
        with pytest.raises(UserError, match="written in words") as caught:
            last(machine(), [*before, kind(memory="fsdax", **fields)])
        assert (caught.value.field, caught.value.hint) == ("size", hint)
    last(machine(), [*before, WriteRead(memory="fsdax", size=520)])
    last(machine(), [CreateNamespace(mode="raw"), WriteRead(size=513)])


def test_write_read() -> None:
    seen = last(machine(), [CreateNamespace(mode="sector"), WriteRead(size=MIB)])
    assert seen == {"outcome": "identical", "bytes": MIB}
    with pytest.raises(UserError, match="does not fit"):
        last(machine(), [CreateNamespace(mode="sector"), WriteRead(size=2 * GIB)])
    assert last(machine(), [DEVDAX, WriteRead()]) == {"outcome": "refused"}
    with pytest.raises(UserError, match="is mounted"):
        last(machine(), [FSDAX, EXT4, WriteRead()])
    another = CreateNamespace(mode="raw", size=16 * MIB)
    some = CreateNamespace(mode="fsdax", size=512 * MIB)
    assert last(machine(), [some, EXT4, another, WriteRead()])["outcome"] == "identical"


@pytest.mark.parametrize(
    ("target", "page", "pmd", "cpuinfo"),
    [
        ("x86_64", 4096, 2 * MIB, None),
        ("ppc64-hash", 65536, 16 * MIB, "Hash"),
        ("ppc64-radix", 65536, 2 * MIB, "Radix"),
        ("s390x", 4096, 0, None),
    ],
)
def test_the_guest_is_what_was_asked_for(
    target: str, page: int, pmd: int, cpuinfo: str | None
) -> None:
    prediction = Model(machine(target)).guest()
    assert prediction.step == "guest"
    seen = values(prediction)
    assert (seen["page_size"], seen["pmd_size"]) == (page, pmd)
    assert seen["release"] == "release"
    assert seen.get("cpuinfo_mmu") == cpuinfo


def test_without_huge_pages_there_is_no_pmd_size_to_see() -> None:
    assert values(Model(machine(without="TRANSPARENT_HUGEPAGE")).guest())["pmd_size"] == 0


@pytest.mark.parametrize(
    ("total", "per_call", "there", "taken", "reported"),
    [
        (100, 10, 100, 100, 100),
        (100, 10, 40, 40, 40),  # an error in a call: what came before it
        (100, 10, 35, 35, 40),  # some of a call: counted whole
        (100, 10, 95, 95, 100),  # some of the last call: goes unnoticed
        (100, 1000, 40, 40, 100),  # some of the only call: the same
        (100, 1, 40, 40, 40),
        (100, 10, 0, 0, 0),
        (95, 10, 95, 95, 95),
    ],
)
def test_how_far_gup_test_says_it_came(
    total: int, per_call: int, there: int, taken: int, reported: int
) -> None:
    reached = run_gup_loop(total=total, per_call=per_call, there=there)
    assert (reached.taken, reached.reported) == (taken, reported)


@given(st.integers(1, 5000), st.integers(1, 6000), st.integers(0, 6000))
def test_gup_test_never_says_less_than_it_took(total: int, per_call: int, there: int) -> None:
    reached = run_gup_loop(total=total, per_call=per_call, there=there)
    assert reached.taken == min(total, there)
    assert reached.taken <= reached.reported <= total
    assert reached.reported - reached.taken < per_call


def test_gup_meets_the_end_of_a_device() -> None:
    step = gup(memory="devdax", size=2048 * MIB, pages_per_call=1000, touch=False)
    seen = last(machine(), [DEVDAX, step])
    assert seen["outcome"] == "ran"
    assert seen["pinned_pages"] == 2046 * MIB // 4096
    assert seen["truncated_bytes"] == 524 * 1000 * 4096


def test_gup_finds_no_entry_that_may_be_made() -> None:
    step = gup(memory="devdax", huge=False, touch=False)
    seen = last(machine(), [DEVDAX, step])
    assert (seen["truncated_bytes"], seen["pinned_pages"]) == (0, 0)


def test_gup_test_touches_other_memory_itself() -> None:
    with pytest.raises(UserError, match="touches anon memory itself"):
        last(machine(), [gup(touch=False)])
