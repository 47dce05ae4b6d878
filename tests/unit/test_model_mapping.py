"""fault and mmap: entries, page tables, counters and the ends of mappings, by target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.model import Machine, Model
from harness.model.paging import blocks_touched, page_table_bytes
from harness.records import Expected, KernelFacts, Layout, PmemDevice, Scalar
from harness.scenario.steps import CreateNamespace, Fault, Filesystem, Mmap, Step
from harness.target import load_targets

TARGETS = load_targets()
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
OLD, NEW = (6, 1, 192), (7, 2, 13)
SYMBOLS = (
    "ACPI_NFIT PAPR_SCM LIBNVDIMM BLK_DEV_PMEM ZONE_DEVICE NVDIMM_PFN NVDIMM_DAX DEV_DAX "
    "DEV_DAX_PMEM TRANSPARENT_HUGEPAGE TRANSPARENT_HUGEPAGE_ALWAYS FS_DAX EXT4_FS XFS_FS"
)
DEVDAX = CreateNamespace(mode="devdax", map="mem")
FILE: list[Step] = [
    CreateNamespace(mode="fsdax", map="mem"),
    Filesystem(type="ext4", file_size=32 * MIB),
]


def machine(target: str = "x86_64", version: tuple[int, int, int] = OLD) -> Machine:
    kernel = KernelFacts(version, "release", dict.fromkeys(SYMBOLS.split(), "y"), 64)
    pmem = (PmemDevice(GIB, 4 * GIB, 128 << 10, "uuid"),) if TARGETS[target].pmem else ()
    return Machine(TARGETS[target], kernel, Layout(2 * GIB, 2, pmem))


def predict(guest: Machine, steps: Iterable[Step]) -> tuple[Expected, ...]:
    """What the last step must show, after all before it."""
    model = Model(guest)
    return [model.predict(step) for step in steps][-1].expected


def values(expected: Iterable[Expected]) -> dict[str, Scalar]:
    """Exact values by name; those between bounds are left out."""
    return {e.name: e.value for e in expected if e.relation == "=="}


def fault(**fields: Any) -> Fault:
    return Fault(**{"memory": "devdax", **fields})


def pmd(target: str) -> CreateNamespace:
    return DEVDAX.model_copy(update={"align": TARGETS[target].mmu.pmd_size})


@pytest.mark.parametrize(
    ("target", "align", "faults", "tables"),
    [
        # 64M of PTEs: a 4K table each 2M, and the PMD table above them.
        ("x86_64", 4 * KIB, 16384, 33 * 4 * KIB),
        ("x86_64", 2 * MIB, 32, 4 * KIB),
        ("arm64", 2 * MIB, 32, 4 * KIB),
        # radix: PTE tables of 32 entries.
        ("ppc64-radix", 64 * KIB, 1024, 32 * 256 + 4 * KIB),
        ("ppc64-radix", 2 * MIB, 32, 4 * KIB),
        # hash: tables of 256 and 1024 entries, and a PTE table put by for each PMD entry.
        ("ppc64-hash", 64 * KIB, 1024, 4 * 2 * KIB + 8 * KIB),
        ("ppc64-hash", 16 * MIB, 4, 4 * 2 * KIB + 8 * KIB),
    ],
)
def test_devdax_takes_a_fault_an_entry(target: str, align: int, faults: int, tables: int) -> None:
    namespace = DEVDAX.model_copy(update={"align": align})
    seen = values(predict(machine(target), [namespace, fault()]))
    assert seen["faults"] == faults
    assert seen["bytes_per_fault"] == align
    assert seen["page_table_bytes"] == tables
    assert seen["page_table_bytes_left"] == 0


def test_pud_entries_need_no_tables_at_all() -> None:
    guest = machine("x86_64")
    wide = Layout(2 * GIB, 2, (PmemDevice(3 * GIB, 4 * GIB, 128 << 10, "uuid"),))
    guest = Machine(guest.target, guest.kernel, wide)
    namespace = DEVDAX.model_copy(update={"align": GIB})
    seen = values(predict(guest, [namespace, fault(size=2 * GIB)]))
    assert (seen["faults"], seen["page_table_bytes"]) == (2, 0)


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (fault(sharing="private"), {"outcome": "refused", "errno": "EINVAL"}),
        (fault(size=4096), {"outcome": "refused", "errno": "EINVAL"}),
        (fault(offset=4096, fixed=False), {"outcome": "refused", "errno": "EINVAL"}),
        (fault(offset=512, fixed=False), {"outcome": "refused", "errno": "EINVAL"}),
        (fault(memory="fsdax"), {"outcome": "no-device"}),
    ],
)
def test_mappings_of_devdax_that_cannot_be(step: Fault, outcome: dict[str, Scalar]) -> None:
    assert values(predict(machine(), [pmd("x86_64"), step])) == outcome


def test_offset_at_a_fixed_address_is_nothing_the_kernel_looks_at() -> None:
    with pytest.raises(UserError, match="fixed address"):
        predict(machine(), [pmd("x86_64"), fault(offset=4096)])


@pytest.mark.parametrize(
    ("step", "signal", "code", "at", "faults"),
    [
        (fault(advice="nohuge"), "SIGBUS", "BUS_ADRERR", 0, 0),
        (fault(access="write", writable=False, first=MIB), "SIGSEGV", "SEGV_ACCERR", MIB, 0),
        (fault(size=2 * GIB, first=1020 * MIB), "SIGBUS", "BUS_ADRERR", 1022 * MIB, 1),
        (fault(size=2 * GIB, first=1500 * MIB), "SIGBUS", "BUS_ADRERR", 1500 * MIB, 0),
    ],
)
def test_accesses_that_are_stopped(
    step: Fault, signal: str, code: str, at: int, faults: int
) -> None:
    seen = values(predict(machine(), [pmd("x86_64"), step]))
    assert (seen["outcome"], seen["signal"], seen["code"]) == ("signalled", signal, code)
    assert (seen["fault_offset"], seen["faults"]) == (at, faults)
    assert seen["touched_bytes"] == at - step.first


def test_a_failed_fault_leaves_its_pmd_table_and_a_forbidden_one_nothing() -> None:
    past = values(predict(machine(), [pmd("x86_64"), fault(size=2 * GIB, first=1500 * MIB)]))
    forbidden = fault(access="write", writable=False)
    denied = values(predict(machine(), [pmd("x86_64"), forbidden]))
    assert (past["page_table_bytes"], denied["page_table_bytes"]) == (4096, 0)


@pytest.mark.parametrize(
    ("target", "version", "reads", "writes"),
    [
        ("arm64", OLD, 16384, 32768),
        ("arm64", NEW, 16384, 16384),
        ("ppc64-radix", OLD, 1024, 2048),
        ("ppc64-hash", OLD, 1024, 1024),
        ("x86_64", OLD, 16384, 16384),
    ],
)
def test_base_pages_that_software_makes_dirty_fault_twice(
    target: str, version: tuple[int, int, int], reads: int, writes: int
) -> None:
    guest = machine(target, version)
    namespace = DEVDAX.model_copy(update={"align": guest.page})
    assert values(predict(guest, [namespace, fault(access="write")]))["faults"] == writes
    assert values(predict(guest, [namespace, fault()]))["faults"] == reads


def test_a_dax_files_entries_are_between_a_page_and_a_pmd() -> None:
    bounds = [
        (e.relation, e.value)
        for e in predict(machine(), [*FILE, fault(memory="fsdax", size=32 * MIB)])
        if e.name == "faults"
    ]
    assert bounds == [(">=", 16), ("<=", 8192)]


@pytest.mark.parametrize(
    "fields", [{"advice": "nohuge"}, {"sharing": "private", "access": "write"}]
)
def test_a_dax_file_is_mapped_by_base_pages_where_it_must(fields: dict[str, Any]) -> None:
    step = fault(memory="fsdax", size=32 * MIB, **fields)
    assert values(predict(machine(), [*FILE, step]))["faults"] == 8192


def test_a_file_without_dax_takes_no_map_sync() -> None:
    plain: list[Step] = [CreateNamespace(mode="raw"), Filesystem(type="xfs", file_size=32 * MIB)]
    step = fault(memory="fsdax", sharing="sync", size=32 * MIB)
    seen = values(predict(machine(), [*plain, step]))
    assert seen == {"outcome": "refused", "errno": "EOPNOTSUPP"}
    assert values(predict(machine(), [*FILE, step]))["outcome"] == "touched"


@pytest.mark.parametrize(
    ("target", "advice", "faults"),
    [("x86_64", "none", 32), ("x86_64", "nohuge", 16384), ("s390x", "none", 16384)],
)
def test_anonymous_memory(target: str, advice: Any, faults: int) -> None:
    step = fault(memory="anon", advice=advice)
    assert values(predict(machine(target), [step]))["faults"] == faults


def test_anonymous_huge_pages_put_a_table_by_on_every_target() -> None:
    for target, tables in (("x86_64", 33 * 4 * KIB), ("ppc64-radix", 32 * 256 + 4 * KIB)):
        seen = values(predict(machine(target), [fault(memory="anon")]))
        assert seen["page_table_bytes"] == tables


@pytest.mark.parametrize(
    ("version", "pages", "huge"), [(OLD, 0, 0), ((6, 12, 117), 0, 0), (NEW, 16384, 32)]
)
def test_dax_mappings_are_counted_from_the_refcount_rework_on(
    version: tuple[int, int, int], pages: int, huge: int
) -> None:
    seen = values(predict(machine(version=version), [pmd("x86_64"), Mmap(memory="devdax")]))
    assert (seen["nr_mapped"], seen["pmd_mapped"]) == (pages, huge)


def test_base_pages_are_no_pmd_entries() -> None:
    namespace = DEVDAX.model_copy(update={"align": 4096})
    seen = values(predict(machine(version=NEW), [namespace, Mmap(memory="devdax")]))
    assert (seen["nr_mapped"], seen["pmd_mapped"]) == (16384, 0)


def test_the_page_that_a_mapping_ends_in_counts_whole() -> None:
    mapping = Mmap(memory="fsdax", size=32 * MIB - 4 * KIB)
    seen = values(predict(machine("ppc64-radix", NEW), [*FILE, mapping]))
    assert seen["nr_mapped"] == 32 * MIB // (64 * KIB)


@pytest.mark.parametrize("end", ["munmap", "exit"])
@pytest.mark.parametrize("fork", [True, False])
def test_nothing_is_left_of_any_mapping(end: Any, fork: bool) -> None:
    step = Mmap(memory="devdax", end=end, fork=fork, repeats=3)
    expected = predict(machine("ppc64-hash"), [pmd("ppc64-hash"), step])
    seen = values(expected)
    assert "page_table_pages_left" in {e.name for e in expected if e.relation == "<="}
    left = {name: value for name, value in seen.items() if name.endswith("_left")}
    assert set(left.values()) == {0}
    assert ("page_table_bytes_left" in left) == (end == "munmap")
    assert seen["faults"] == 3 * 4
    assert seen.get("child_faults") == (12 if fork else None)


def test_truncation_is_of_files() -> None:
    step = Mmap(memory="devdax", end="truncate")
    with pytest.raises(UserError, match="no file to truncate"):
        predict(machine(), [pmd("x86_64"), step])
    step = Mmap(memory="fsdax", size=32 * MIB, end="truncate", access="write")
    assert values(predict(machine(), [*FILE, step]))["truncated_signal"] == "SIGBUS"


def test_a_truncated_file_has_the_size_it_was_given_back() -> None:
    truncate = Mmap(memory="fsdax", size=16 * MIB, end="truncate", access="write")
    seen = values(predict(machine(), [*FILE, truncate, fault(memory="fsdax", size=32 * MIB)]))
    assert (seen["outcome"], seen["fault_offset"]) == ("signalled", 16 * MIB)


@pytest.mark.parametrize("fields", [{"first": 64 * MIB}, {"first": MIB, "length": 64 * MIB}])
def test_touching_ends_within_the_mapping(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="touching ends behind it"):
        predict(machine(), [pmd("x86_64"), fault(**fields)])


def test_other_memory_has_the_pmd_table_of_a_pud_that_both_are_in() -> None:
    """A PUD of 16G on hash with 64K pages; of 1G elsewhere."""
    for target, shared in (("ppc64-hash", 8 * KIB), ("x86_64", 0)):
        alone, beside = (
            values(predict(machine(target), [pmd(target), step]))["page_table_bytes"]
            for step in (fault(), fault(beside=True))
        )
        assert isinstance(alone, int)
        assert isinstance(beside, int)
        assert alone - beside == shared


def test_device_dax_is_not_split_within_its_alignment() -> None:
    split = Mmap(memory="devdax", size=64 * MIB, split=True)
    pages = DEVDAX.model_copy(update={"align": 4 * KIB})
    assert values(predict(machine(), [pmd("x86_64"), split]))["split_errno"] == "EINVAL"
    assert values(predict(machine(), [pages, split]))["split_errno"] is None
    of_file = Mmap(memory="fsdax", size=32 * MIB, split=True)
    assert values(predict(machine(), [*FILE, of_file]))["split_errno"] is None
    with pytest.raises(UserError, match="no page in its middle"):
        predict(machine(), [pages, Mmap(memory="devdax", size=8 * KIB, split=True)])


def test_a_child_has_base_pages_of_anonymous_memory_copied() -> None:
    fields: dict[str, Any] = {"memory": "anon", "access": "write", "size": 32 * MIB, "repeats": 2}
    plain, protected = (Mmap(**fields, protect=protect) for protect in (False, True))
    for step in (plain, protected):
        seen = values(predict(machine(), [step]))
        assert (seen["faults"], seen["child_faults"]) == (2 * 16, 2 * 8192)
        assert seen["pmd_mapped"] == 16
        assert seen.get("intact_bytes") == (64 * MIB if step.protect else None)
        assert ("protect_errno" in seen) == step.protect
    read = values(predict(machine(), [Mmap(memory="anon")]))
    assert (read["pmd_mapped"], read["child_faults"]) == (0, read["faults"])


def test_huge_pages_are_made_of_base_pages_that_were_written_to() -> None:
    step = Mmap(memory="anon", access="write", size=32 * MIB, collapse=True, repeats=2)
    seen = values(predict(machine(), [step]))
    assert (seen["faults"], seen["collapse_errno"], seen["pmd_mapped"]) == (2 * 8192, None, 16)
    assert (
        seen["page_table_bytes"]
        == values(predict(machine(), [step.model_copy(update={"collapse": False})]))[
            "page_table_bytes"
        ]
    )
    for wrong, message in (
        ({"access": "read"}, "written to"),
        ({"advice": "huge"}, "no advice"),
        ({"memory": "devdax"}, "of no other"),
    ):
        with pytest.raises(UserError, match=message):
            predict(machine(), [step.model_copy(update=wrong)])


def test_upper_page_tables_are_not_predicted() -> None:
    step = Fault(memory="anon", access="write", size=16 * MIB, high=True)
    seen = values(predict(machine(), [step]))
    assert (seen["outcome"], seen["touched_bytes"]) == ("touched", 16 * MIB)
    assert not [name for name in seen if name.startswith("page_table")]
    for wrong in ({"beside": True}, {"fixed": False}):
        with pytest.raises(UserError, match="nothing beside it"):
            predict(machine(), [step.model_copy(update=wrong)])


def test_only_anonymous_memory_is_charged() -> None:
    anon = values(predict(machine(), [Mmap(memory="anon", access="write")]))
    assert anon["committed_bytes_left"] == 0
    assert "committed_bytes_left" not in values(predict(machine(), [*FILE, Mmap(memory="fsdax")]))


@pytest.mark.parametrize(
    "fields", [{"memory": "devdax"}, {"access": "read"}, {"fork": False}], ids=lambda f: str(f)
)
def test_only_of_anonymous_memory_a_childs_writes_are_its_own(fields: dict[str, Any]) -> None:
    step = Mmap(**{"memory": "anon", "access": "write", "protect": True, **fields})
    with pytest.raises(UserError, match="its own in anonymous memory alone"):
        predict(machine(), [pmd("x86_64"), step])


@pytest.mark.parametrize(
    ("before", "memory", "locked"),
    [([], "anon", 32 * MIB), ([pmd("x86_64")], "devdax", 0), (FILE, "fsdax", 0)],
    ids=["anon", "devdax", "fsdax"],
)
def test_what_moves_stays_mapped_and_locked(before: list[Step], memory: str, locked: int) -> None:
    fields: dict[str, Any] = {"memory": memory, "size": 32 * MIB}
    step = Mmap(**fields, lock=True, move=True)
    seen = values(predict(machine(), [*before, step]))
    assert (seen["moved_faults"], seen["locked_bytes"], seen["locked_bytes_left"]) == (0, locked, 0)
    assert seen["left_signal"] == "SIGSEGV"
    assert (seen["lock_errno"], seen["move_errno"]) == (None, None)
    at_exit = values(predict(machine(), [*before, step.model_copy(update={"end": "exit"})]))
    assert "locked_bytes_left" not in at_exit


def test_nothing_is_moved_into_itself() -> None:
    with pytest.raises(UserError, match="moved into itself"):
        predict(machine(), [Mmap(memory="anon", size=5 << 30, move=True)])


def test_a_mapping_does_not_reach_what_is_beside_it() -> None:
    with pytest.raises(UserError, match="reaches what is to be beside it"):
        predict(machine(), [pmd("x86_64"), fault(size=9 * GIB, beside=True)])


ranges = st.integers(0, 1 << 40)
lengths = st.integers(1, 1 << 36)


@given(ranges, lengths, st.sampled_from([12, 16, 21, 24, 30]))
def test_blocks_are_those_that_their_bytes_are_in(first: int, length: int, shift: int) -> None:
    count, block = blocks_touched(first, length, 1 << shift), 1 << shift
    assert (count - 2) * block < length <= count * block
    assert blocks_touched(first, 1, block) == 1


@given(ranges, lengths, st.integers(1, 1 << 36))
def test_a_longer_range_never_has_less_tables(first: int, length: int, more: int) -> None:
    def tables(length: int, entry: int) -> int:
        return page_table_bytes(
            first=first,
            length=length,
            entry=entry,
            page=4096,
            pmd=1 << 21,
            pud=1 << 30,
            deposits=False,
        )

    assert tables(length, 4096) <= tables(length + more, 4096)
    assert tables(length, 1 << 30) == 0
    assert tables(length, 1 << 21) < tables(length, 4096)


@pytest.mark.parametrize(
    ("target", "version", "most"),
    [("x86_64", NEW, 2), ("arm64", NEW, 2), ("ppc64-hash", NEW, 0), ("x86_64", OLD, 0)],
)
def test_tables_of_the_kernel_itself_are_no_leak(
    target: str, version: tuple[int, int, int], most: int
) -> None:
    """Counted since 6.16; powerpc's are fragments, which are not."""
    expected = predict(machine(target, version), [pmd(target), Mmap(memory="devdax")])
    (left,) = [e for e in expected if e.name == "page_table_pages_left"]
    assert (left.value, left.relation) == (most, "<=")
