"""Memory taken away from who uses it: what is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine
from harness.model.predict import Model
from harness.records import KERNEL_REPORT, Layout, PmemDevice
from harness.scenario.steps import (
    CreateNamespace,
    FileIo,
    Filesystem,
    GupTest,
    Mmap,
    Mode,
    ReadBack,
    ReadOnly,
    Step,
    TakeAway,
    WriteRead,
)
from harness.target import load_targets

MIB, GIB = 1 << 20, 1 << 30
TARGETS = load_targets()
DEVICE = PmemDevice(GIB, 4 * GIB, 128 << 10, "")
DEVDAX = CreateNamespace(mode="devdax", map="mem")
FILE = (CreateNamespace(mode="fsdax", map="mem"), Filesystem(type="ext4", file_size=32 * MIB))


def model(
    target: str = "x86_64",
    kernel: str = "debian:6.1",
    device: PmemDevice = DEVICE,
    **probes: bool,
) -> Model:
    chosen = TARGETS[target]
    facts = assumed_facts(parse_kernel_spec(kernel), chosen.kernel.fragments)
    facts = replace(facts, probes={**facts.probes, **probes})
    return Model(Machine(chosen, facts, Layout(2 * GIB, 2, (device,) if chosen.pmem else ())))


def last(guest: Model, steps: Sequence[Step]) -> dict[str, object]:
    predictions = [guest.predict(step) for step in steps]
    return {e.name: e.value for e in predictions[-1].expected}


def test_a_mapped_device_goes_and_comes_back() -> None:
    guest = model()
    made = last(guest, [DEVDAX])
    seen = last(guest, [TakeAway(memory="devdax")])
    assert (seen["outcome"], seen["waited"], seen["signal"]) == ("taken", False, "SIGBUS")
    assert seen["restored_bytes"] == made["device_bytes"]
    assert last(guest, [GupTest(command="pin", memory="devdax")])["outcome"] == "ran"


def test_a_held_page_of_a_device_is_outlived_or_waited_for() -> None:
    steps = [DEVDAX, TakeAway(memory="devdax", hold=True)]
    assert set(last(model(), steps)) == {KERNEL_REPORT}
    mended = last(model(unbind_waits_for_pages=True), steps)
    assert (mended["waited"], mended["held_pages"], mended["signal"]) == (True, 1, "SIGBUS")


@pytest.mark.parametrize(
    ("kernel", "start", "hold", "said"),
    [
        ("debian:7.3", 5 * GIB + 128 * MIB, False, "warning in vmf_insert_folio_pud"),
        ("debian:7.3", 5 * GIB + 128 * MIB, True, "warning in vmf_insert_folio_pud"),
        ("debian:6.1", 5 * GIB + 16 * MIB, True, "warning in try_grab_page"),
        ("debian:6.1", 5 * GIB + 16 * MIB, False, None),
    ],
)
def test_what_a_defect_has_the_kernel_say_comes_before_the_device_goes(
    kernel: str, start: int, hold: bool, said: str | None
) -> None:
    """A devdax of whole PUDs that starts at none of their multiples."""
    guest = model(kernel=kernel, device=PmemDevice(4 * GIB, start, 128 << 10, ""))
    made = CreateNamespace(mode="devdax", map="mem", align=GIB, size=3 * GIB)
    seen = last(guest, [made, TakeAway(memory="devdax", size=GIB, hold=hold)])
    assert seen.get(KERNEL_REPORT) == said


def test_struct_pages_that_stay_mapped_are_not_predicted() -> None:
    """The device at 4G lies in one block of struct pages with RAM on hash, not on radix."""
    steps = [DEVDAX, TakeAway(memory="devdax", hold=True)]
    with pytest.raises(UserError, match="shares the block"):
        last(model("ppc64-hash"), [CreateNamespace(mode="devdax"), *steps[1:]])
    assert set(last(model("ppc64-radix"), steps)) == {KERNEL_REPORT}


@pytest.mark.parametrize("hold", [False, True])
def test_truncate_waits_for_held_pages_of_a_file(hold: bool) -> None:
    seen = last(model(), [*FILE, TakeAway(memory="fsdax", via="truncate", hold=hold)])
    assert (seen["outcome"], seen["waited"], seen["held_pages"]) == ("taken", hold, int(hold))
    assert (seen["signal"], seen["restored_bytes"]) == ("SIGBUS", 32 * MIB)


def test_files_are_as_posix_says() -> None:
    seen = last(model(), [*FILE, FileIo(size=6000)])
    assert (seen["outcome"], seen["sparse_bytes"], seen["tail_bytes"]) == ("done", 6000, 6000)
    assert (seen["stale_bytes"], seen["modified"]) == (0, True)
    assert last(model(), [DEVDAX, FileIo()]) == {"outcome": "no-device"}
    small = CreateNamespace(mode="fsdax", map="mem", size=32 * MIB)
    with pytest.raises(UserError, match="may not fit"):
        last(model("ppc64-radix"), [small, Filesystem(type="ext4", file_size=15 * MIB), FileIo()])


def test_a_truncated_file_has_holes() -> None:
    guest = model()
    last(guest, [*FILE, TakeAway(memory="fsdax", via="truncate")])
    later = guest.predict(Mmap(memory="fsdax", size=16 * MIB))
    assert any(e.name == "pmd_mapped" and e.value == 0 for e in later.expected)


def test_a_mounted_namespace_is_not_disabled() -> None:
    seen = last(model(), [*FILE, TakeAway(memory="fsdax")])
    assert (seen["outcome"], seen["errno"], seen["signal"]) == ("refused", "EBUSY", None)


def test_steps_without_sense_are_the_users_error() -> None:
    half = CreateNamespace(mode="devdax", size=256 * MIB)
    for steps, words in (
        ([DEVDAX, TakeAway(memory="devdax", via="truncate")], "no end"),
        ([half, half, TakeAway(memory="devdax")], "more than one"),
        ([DEVDAX, TakeAway(memory="devdax", size=MIB)], "cannot be mapped"),
        ([*FILE, TakeAway(memory="fsdax", size=64 * MIB)], "cannot be mapped"),
    ):
        with pytest.raises(UserError, match=words):
            last(model(), steps)


def test_without_a_device_there_is_nothing_to_take_away() -> None:
    assert last(model(), [TakeAway(memory="devdax")]) == {"outcome": "no-device"}
    assert model("s390x").predict(TakeAway(memory="devdax")).unsupported


@pytest.mark.parametrize("mode", ["raw", "sector"])
def test_writes_to_a_disabled_block_device_fail(mode: Mode) -> None:
    guest = model()
    made = last(guest, [CreateNamespace(mode=mode)])
    seen = last(guest, [TakeAway(memory="block")])
    assert seen == {
        "outcome": "taken",
        "write_failed": True,
        "restored_bytes": made["device_bytes"],
    }
    with pytest.raises(UserError, match="has no file system meanwhile"):
        last(model(), [*FILE, TakeAway(memory="block")])


@pytest.mark.parametrize("mode", ["raw", "sector", "fsdax"])
def test_a_disk_is_read_only_as_long_as_its_region(mode: Mode) -> None:
    guest = model()
    steps = [CreateNamespace(mode=mode), WriteRead(), ReadOnly()]
    assert last(guest, steps) == {
        "set.region": 1,
        "set.disk": 1,
        "set.written": False,
        "set.errno": "EPERM",
        "cleared.region": 0,
        "cleared.disk": 0,
        "cleared.written": True,
    }
    assert last(guest, [ReadBack()])["outcome"] == "identical"


def test_a_read_only_region_needs_no_disk_and_no_file_system() -> None:
    itself = {"set.region": 1, "cleared.region": 0}
    assert last(model(), [ReadOnly()]) == last(model(), [DEVDAX, ReadOnly()]) == itself
    assert model("s390x").predict(ReadOnly()).unsupported
    with pytest.raises(UserError, match="a file system is mounted"):
        last(model(), [*FILE, ReadOnly()])
