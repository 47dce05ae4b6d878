"""A guest whose power is cut: its console, its label area, what the model says of the next boot."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.command_line import GuestFiles
from harness.deadline import Deadline
from harness.errors import InfrastructureError, KernelReported, UserError
from harness.guest.console import Console
from harness.guest.steps import StepContext, run_step
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.machine.files import make_device_files
from harness.machine.labels import damage_labels, index_blocks
from harness.model import Machine
from harness.model.predict import Model
from harness.observe.boots import POWER_CUT
from harness.observe.console import ConsoleReader
from harness.observe.labels import broken_index_blocks
from harness.records import CommandRecord, Layout, PmemDevice, Prediction, SoftReserved
from harness.scenario.label_area import LABEL_BYTES, label_slots
from harness.scenario.life_steps import LabelPart, PowerCycle
from harness.scenario.steps import (
    CreateDevice,
    CreateNamespace,
    DaxRegions,
    DestroyNamespaces,
    Filesystem,
    GupTest,
    HwPoison,
    Mmap,
    ReadBack,
    ReconfigureDevice,
    Regions,
    Step,
    WriteRead,
)
from harness.target import load_targets

MIB, GIB = 1 << 20, 1 << 30
AREA = 128 << 10
TARGETS = load_targets()
RECORDINGS = Path(__file__).parent.parent / "data" / "steps"
BANNER = b"[    0.000000] Linux version 6.1.192 (a@b)\n[    0.100000] first words of boot %d\n"
PANIC = (
    b"[    1.500000] Kernel panic - not syncing: test\n"
    b"[    1.600000] ---[ end Kernel panic - not syncing: test ]---\n"
)


def device(start: int = 4 * GIB) -> PmemDevice:
    return PmemDevice(GIB, start, AREA, "0a6ab1cc-4d51-4a13-8d3b-0f8b2f2f1d51")


def read(*pieces: bytes) -> list[tuple[str, int]]:
    reader = ConsoleReader()
    for piece in pieces:
        reader.feed(piece)
    reader.close()
    return [(report.kind, report.first_line) for report in reader.reports]


def test_a_second_boot_is_expected_behind_a_power_cut_and_nowhere_else() -> None:
    cut = POWER_CUT.encode() + b"\n"
    first, second, third = (BANNER % boot for boot in (1, 2, 3))
    assert read(first, cut, second) == []
    assert read(first, second) == [("reboot", 3)]
    assert read(first, cut, second, third) == [("reboot", 6)]
    assert read(first, b"[    2.000000] " + cut, second) == [("reboot", 4)]


def test_reports_of_both_boots_are_told_by_the_lines_of_one_log() -> None:
    cut = POWER_CUT.encode() + b"\n"
    assert read(BANNER % 1, PANIC, cut, BANNER % 2, PANIC) == [("panic", 3), ("panic", 8)]


def test_a_panic_is_no_consequence_of_an_oops_before_the_power_was_cut() -> None:
    oops = b"[    1.400000] Oops: Kernel access of bad area, sig: 11 [#1]\n"
    fatal = PANIC.replace(b": test", b": Fatal exception")
    cut = POWER_CUT.encode() + b"\n"
    assert len(read(BANNER % 1, oops, fatal)) == 1
    assert len(read(BANNER % 1, oops, cut, BANNER % 2, fatal)) == 2


def test_a_report_that_the_power_cut_off_ends_there() -> None:
    warning = (
        b"[    2.000000] ------------[ cut here ]------------\n"
        b"[    2.000000] WARNING: CPU: 0 PID: 1 at mm/x.c:1 f+0x1/0x2\n"
    )
    reader = ConsoleReader()
    reader.feed(BANNER % 1 + warning + POWER_CUT.encode() + b"\n" + BANNER % 2)
    assert reader.open_report is None
    (report,) = reader.reports
    assert "boot 2" not in report.text


class Port:
    """One boot's end of the console."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()

    def says(self, data: bytes) -> None:
        connection, _ = self._listener.accept()
        connection.sendall(data)
        connection.close()
        self._listener.close()


@pytest.mark.parametrize("rest", [b"", b"[    2.000000] half a li"])
def test_the_log_goes_on_and_says_where_the_power_was_cut(tmp_path: Path, rest: bytes) -> None:
    log = tmp_path / "console.log"
    port = Port(tmp_path / "1")
    with Console(port.path, log) as before:
        port.says(BANNER % 1 + rest)
        before.drain(Deadline.after(5))
        before.check()
    port = Port(tmp_path / "2")
    with before.next_boot(port.path) as after:
        port.says(BANNER % 2 + PANIC)
        after.drain(Deadline.after(5))
        with pytest.raises(KernelReported):
            after.check()
    lines = log.read_bytes().splitlines()
    assert POWER_CUT.encode() in lines
    (report,) = after.reports
    assert b"Kernel panic" in lines[report.first_line - 1]


@pytest.mark.parametrize(
    ("part", "start", "end"),
    [
        ("index-0", 0, 256),
        ("index-1", 256, 512),
        ("first-half", 0, AREA // 2),
        ("second-half", AREA // 2, AREA),
    ],
)
def test_damage_stays_in_its_part_of_the_label_area(
    tmp_path: Path, part: LabelPart, start: int, end: int
) -> None:
    small = PmemDevice(MIB, 4 * GIB, AREA, "")
    backing = tmp_path / "pmem0.img"
    backing.write_bytes(bytes(MIB + AREA))
    damage_labels(backing, small, part)
    after = backing.read_bytes()
    assert len(after) == MIB + AREA
    assert {index for index, byte in enumerate(after) if byte} == set(range(MIB + start, MIB + end))


def test_index_blocks_of_a_large_label_area_are_larger(tmp_path: Path) -> None:
    """2048 slots need 256 bytes of bits behind the header's 72."""
    large = PmemDevice(0, 4 * GIB, 512 << 10, "")
    backing = tmp_path / "pmem0.img"
    backing.write_bytes(bytes(512 << 10))
    damage_labels(backing, large, "index-1")
    assert backing.read_bytes().index(0x5A) == 512


def test_index_blocks_are_as_large_as_the_slots_that_fit_want_them(tmp_path: Path) -> None:
    """13,773 bits would want 2048 bytes; 13,760 labels fit, and those want 1792."""
    area = 0x35D000
    assert struct.unpack_from("<QQQQI", index_blocks(area), 24) == (0, 1792, 1792, 3584, 13760)
    backing = tmp_path / "pmem0.img"
    backing.write_bytes(bytes(area))
    damage_labels(backing, PmemDevice(0, 4 * GIB, area, ""), "index-1")
    assert backing.read_bytes().index(0x5A) == 1792


@given(st.integers(32, 4096).map(lambda pages: pages * 4096))
def test_index_blocks_and_slots_fit_into_every_label_area(area: int) -> None:
    blocks = index_blocks(area)
    assert len(blocks) + label_slots(area) * LABEL_BYTES <= area


def test_index_blocks_that_the_kernel_found_broken() -> None:
    said = (
        "[    1.781370] nvdimm nmem1: nsindex0 signature invalid\n"
        "[    1.781480] nvdimm nmem1: nsindex1 labelsize 1 invalid\n"
        "[    1.781513] nvdimm nmem1: nsindex0 signature invalid\n"
        "[    1.781522] nvdimm nmem0: nsindex1 signature invalid\n"
        "[    1.781522] nvdimm nmem0: nsindex0 signature invalid\n"
    )
    assert broken_index_blocks(said) == {"nmem1": (0,), "nmem0": (0, 1)}


@pytest.mark.parametrize(("name", "labelled"), [("x86_64", True), ("ppc64-radix", False)])
def test_a_device_has_labels_where_its_machine_gives_it_none(
    name: str, labelled: bool, tmp_path: Path
) -> None:
    files = GuestFiles(tmp_path, tmp_path, tmp_path, firmware=tmp_path)
    make_device_files(TARGETS[name], Layout(GIB, 1, (device(),)), files)
    with files.pmem_backing(0).open("rb") as backing:
        backing.seek(GIB)
        area = backing.read()
    blocks = index_blocks(AREA)
    assert area == (blocks if labelled else b"").ljust(AREA, b"\0")
    assert files.pmem_backing(0).stat().st_blocks < 64


class Recorded:
    """A shell with the answers of a guest that has booted again."""

    def __init__(self, answers: list[tuple[int, str, str]]) -> None:
        self.answers = answers
        self.commands: list[str] = []

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        assert deadline.remaining > 0
        self.commands.append(command)
        status, stdout, stderr = self.answers[len(self.commands) - 1]
        return CommandRecord(command, status, stdout, stderr, 0.1)


class Switch:
    """A power switch of a guest whose files are in a folder."""

    def __init__(self, files: GuestFiles, layout: Layout, shell: Recorded) -> None:
        self.files, self.layout, self.shell = files, layout, shell

    def power_cycle(self, while_off: Callable[[GuestFiles, Layout], None]) -> Recorded:
        while_off(self.files, self.layout)
        return self.shell


def test_what_the_next_boot_showed_and_whose_labels_were_damaged(tmp_path: Path) -> None:
    """Regions are counted by address, files by the layout: region 0 is the second file."""
    recorded = json.loads((RECORDINGS / "ppc64-hash-6.1-power-cycle.json").read_text())
    files = GuestFiles(tmp_path, tmp_path, tmp_path)
    small = [PmemDevice(MIB, start, AREA, "") for start in (6 * GIB, 4 * GIB)]
    for index, _ in enumerate(small):
        files.pmem_backing(index).write_bytes(bytes(MIB + AREA))
    shell = Recorded(recorded["answers"])
    switch = Switch(files, Layout(GIB, 1, tuple(small)), shell)
    target = TARGETS["ppc64-hash"]
    context = StepContext(target, target.mmu.page_size, 30.0, switch)
    before = Recorded([])
    seen = run_step(PowerCycle.model_validate(recorded["step"]), before, context)
    assert dict(seen.values) == recorded["values"]
    assert not before.commands  # nobody says a word to the guest whose power goes
    assert "echo dax0.0 >/run/daxhound-region0.chardev" in shell.commands[1]
    assert not any(files.pmem_backing(0).read_bytes())
    assert any(files.pmem_backing(1).read_bytes())


def test_a_guest_without_a_switch_is_the_harness_fault() -> None:
    context = StepContext(TARGETS["arm64"], 4096, 30.0)
    with pytest.raises(InfrastructureError, match="power switch"):
        run_step(PowerCycle(), Recorded([]), context)


def model(
    target: str,
    kernel: str = "debian:6.1",
    area: int = AREA,
    soft: tuple[SoftReserved, ...] = (),
    *,
    idle: bool = True,
) -> Model:
    chosen = TARGETS[target]
    small = PmemDevice(GIB, 4 * GIB, area, "0a6ab1cc-4d51-4a13-8d3b-0f8b2f2f1d51")
    devices = (device(6 * GIB), small) if chosen.pmem else ()
    facts = assumed_facts(parse_kernel_spec(kernel), chosen.kernel.fragments)
    ram = 2 * GIB if not soft else 3 * GIB
    layout = Layout(ram, 2, devices, (), soft, bool(soft) and idle)
    return Model(Machine(chosen, facts, layout))


def last(guest: Model, steps: Sequence[Step]) -> dict[str, object]:
    predictions: list[Prediction] = [guest.predict(step) for step in steps]
    return {e.name: e.value for e in predictions[-1].expected}


DEVDAX = CreateNamespace(mode="devdax", map="mem", size=256 * MIB)
RAW = CreateNamespace(mode="raw", size=128 * MIB)


def test_what_was_made_is_found_as_it_was_made() -> None:
    guest = model("x86_64")
    made = last(guest, [DEVDAX])
    found = last(guest, [RAW, CreateNamespace(mode="sector", region=1), PowerCycle()])
    names = {"mode", "map", "size_bytes", "align_bytes", "resource", "data_offset", "device_bytes"}
    assert {n: found[f"region0.0.{n}"] for n in names} == {n: made[n] for n in names}
    assert found["region0.1.mode"] == "raw"
    assert found["region1.0.sector_size"] == 4096
    assert (found["region0.namespaces"], found["region1.namespaces"]) == (2, 1)
    assert found["region0.available_bytes"] == GIB - 384 * MIB
    assert found["memmap_pages"] == str(made["memmap_pages"])


def test_struct_pages_of_all_devices_are_told_by_size() -> None:
    guest = model("x86_64")
    found = last(guest, [DEVDAX.model_copy(update={"region": 1}), CreateNamespace(mode="fsdax"),
                         PowerCycle()])  # fmt: skip
    assert found["memmap_pages"] == f"{256 * MIB // 4096} {(GIB - 18 * MIB) // 4096}"


@pytest.mark.parametrize("damage", ["index-0", "index-1", "second-half"])
def test_one_index_block_is_enough(damage: LabelPart) -> None:
    whole = last(model("arm64"), [DEVDAX, PowerCycle()])
    damaged = last(model("arm64"), [DEVDAX, PowerCycle(damage=damage)])
    broken = {"index-0": "0", "index-1": "1", "second-half": ""}[damage]
    assert damaged == whole | {"region0.broken_index_blocks": broken}


@pytest.mark.parametrize(
    ("area", "told"), [(AREA, True), (184 << 10, True), (188 << 10, False), (1 << 20, False)]
)
def test_where_labels_of_128_bytes_would_be_elsewhere_healthy_ones_are_called_broken(
    area: int, told: bool
) -> None:
    """`nsindex1 signature invalid`, as x86_64 guests of 6.1 with 188K and 260K had it."""
    found = last(model("x86_64", area=area), [PowerCycle()])
    assert ("region0.broken_index_blocks" in found) is told
    assert "region1.broken_index_blocks" in found


def test_without_index_blocks_acpi_gives_one_raw_namespace_and_papr_none() -> None:
    lost = PowerCycle(damage="first-half")
    found = last(model("x86_64"), [DEVDAX, lost])
    assert (found["region0.0.mode"], found["region0.0.size_bytes"]) == ("raw", GIB)
    assert (found["region0.available_bytes"], found["memmap_pages"]) == (GIB, "")
    guest = model("ppc64-radix")
    found = last(guest, [DEVDAX, lost])
    assert (found["region0.namespaces"], found["region0.available_bytes"]) == (0, GIB)
    assert last(guest, [DEVDAX])["outcome"] == "created"


@pytest.mark.parametrize(("target", "blocks"), [("ppc64-hash", "0 1"), ("x86_64", "")])
def test_a_label_area_that_nobody_wrote_to_has_no_index_block(target: str, blocks: str) -> None:
    """As a guest of ppc64-hash showed; on others the harness writes them."""
    found = last(model(target), [PowerCycle()])
    assert found["region0.broken_index_blocks"] == blocks
    made = last(model(target), [CreateNamespace(mode="raw"), PowerCycle()])
    assert made["region0.broken_index_blocks"] == ""


def test_a_boot_mends_no_index_block() -> None:
    """It copies the other one in memory alone; a label that is written comes to disk."""
    first, second = PowerCycle(damage="index-0"), PowerCycle(damage="index-1")
    found = last(model("arm64"), [DEVDAX, first, PowerCycle()])
    assert (found["region0.broken_index_blocks"], found["region0.namespaces"]) == ("0", 1)
    found = last(model("arm64"), [DEVDAX, first, PowerCycle(region=1)])
    assert (found["region0.broken_index_blocks"], found["region1.broken_index_blocks"]) == ("0", "")
    found = last(model("arm64"), [DEVDAX, first, PowerCycle(), second])
    assert (found["region0.broken_index_blocks"], found["region0.0.mode"]) == ("0 1", "raw")
    found = last(model("arm64"), [DEVDAX, PowerCycle(damage="first-half"), PowerCycle()])
    assert (found["region0.broken_index_blocks"], found["region0.0.mode"]) == ("0 1", "raw")


# The kernel of ppc64 refuses it: of 16M the info block takes as much.
NO_ROOM = CreateNamespace(mode="devdax", map="mem", size=16 * MIB)


@pytest.mark.parametrize("write", [[RAW], [NO_ROOM], [DestroyNamespaces(), DEVDAX]])
def test_a_label_that_is_written_mends_the_broken_index_block(write: list[Step]) -> None:
    damaged = [DEVDAX, PowerCycle(damage="index-0"), *write]
    found = last(model("ppc64-hash"), [*damaged, PowerCycle()])
    assert (found["region0.broken_index_blocks"], found["region0.0.mode"]) == ("", "devdax")


def test_what_no_label_was_written_to_is_not_mended() -> None:
    unaligned = CreateNamespace(mode="devdax", map="mem", size=17 * MIB, align=2 * MIB)
    found = last(model("arm64"), [DEVDAX, PowerCycle(damage="index-0"), unaligned, PowerCycle()])
    assert found["region0.broken_index_blocks"] == "0"


def test_what_lost_labels_stood_for_is_lost_once() -> None:
    """What is written to the one raw namespace stays, and struct pages are not given back twice."""
    lost, written = PowerCycle(damage="first-half"), WriteRead(size=MIB)
    kept = last(model("x86_64"), [DEVDAX, lost, written, lost, ReadBack(size=MIB)])
    assert kept["outcome"] == "identical"
    other = [DEVDAX.model_copy(update={"region": 1}), DestroyNamespaces(region=1)]
    guest = model("x86_64")
    last(guest, [DEVDAX, other[0], lost])
    assert last(guest, other[1:])["ram_bytes"] == last(model("x86_64"), other)["ram_bytes"]


def test_devices_of_soft_reserved_memory_are_the_kernels_memory_alone() -> None:
    soft = (SoftReserved(GIB // 2, 4 * GIB),)
    guest = model("x86_64", soft=soft)
    made = [CreateDevice(size=128 * MIB), PowerCycle(), DaxRegions()]
    fresh = last(model("x86_64", soft=soft), [DaxRegions()])
    assert last(guest, made) == fresh


def test_which_index_block_is_newer_after_a_deletion_is_not_said() -> None:
    with pytest.raises(UserError, match="which index block"):
        last(model("arm64"), [DEVDAX, DestroyNamespaces(), PowerCycle(damage="index-0")])


def test_nor_is_it_after_a_namespace_that_the_kernel_refused() -> None:
    """Its label was written to both, and taken away in one."""
    refused, damage = [RAW, NO_ROOM], PowerCycle(damage="index-0")
    assert last(model("ppc64-hash"), refused)["outcome"] == "refused"
    with pytest.raises(UserError, match="which index block"):
        last(model("ppc64-hash"), [*refused, damage])
    assert last(model("ppc64-hash"), [*refused, RAW, damage])["region0.namespaces"] == 2
    unaligned = CreateNamespace(mode="devdax", map="mem", size=17 * MIB)
    assert last(model("ppc64-hash"), [RAW, unaligned, damage])["region0.namespaces"] == 1


@pytest.mark.parametrize("step", [RAW, DestroyNamespaces()])
def test_nothing_is_made_or_destroyed_without_labels(step: Step) -> None:
    with pytest.raises(UserError, match="labels are lost"):
        last(model("arm64"), [DEVDAX, PowerCycle(damage="first-half"), step])
    assert last(model("arm64"), [DEVDAX, PowerCycle(damage="first-half"), Regions()])


def test_data_is_read_back_that_nothing_came_over() -> None:
    steps = [RAW, WriteRead(size=MIB), PowerCycle(), ReadBack(size=MIB)]
    assert last(model("x86_64"), steps) == {"outcome": "identical", "bytes": MIB}
    steps = [RAW, WriteRead(size=2 * MIB), WriteRead(size=MIB), ReadBack(size=2 * MIB)]
    assert last(model("x86_64"), steps) == {"outcome": "identical", "bytes": 2 * MIB}
    with pytest.raises(UserError, match="does not hold that pattern"):
        last(model("x86_64"), [RAW, ReadBack(size=MIB)])
    with pytest.raises(UserError, match="does not hold that pattern"):
        last(model("x86_64"), [RAW, WriteRead(size=MIB), ReadBack(size=2 * MIB)])
    fault = Mmap(memory="devdax", size=16 * MIB, access="write")
    devdax = WriteRead(memory="devdax", size=16 * MIB)
    with pytest.raises(UserError, match="does not hold that pattern"):
        last(model("x86_64"), [DEVDAX, devdax, fault, ReadBack(memory="devdax", size=16 * MIB)])


@pytest.mark.parametrize(
    "step",
    [
        DaxRegions(),
        Mmap(memory="anon", access="write"),
        GupTest(command="pin", memory="shmem"),
        HwPoison(memory="anon"),
        ReconfigureDevice.model_validate({"device": "dax0.0", "mode": "devdax"}),
    ],
    ids=lambda step: step.kind,
)
def test_what_is_done_to_other_memory_comes_over_no_data(step: Step) -> None:
    guest = model("x86_64", "debian:7.3", soft=(SoftReserved(GIB // 2, 4 * GIB),), idle=False)
    last(guest, [RAW, WriteRead(size=MIB)])
    guest.predict(step)
    assert last(guest, [ReadBack(size=MIB)])["outcome"] == "identical"


def test_a_file_alone_has_a_hole_to_write_to() -> None:
    fsdax, made = CreateNamespace(mode="fsdax"), Filesystem(type="ext4", file_size=16 * MIB)
    found = last(model("x86_64"), [fsdax, made, WriteRead(memory="fsdax", size=MIB, hole=True)])
    assert found.pop("protected_signal") == "SIGSEGV"
    assert found == {"outcome": "identical", "bytes": MIB, "kept_bytes": MIB // 2 - 512}
    with pytest.raises(UserError, match="too little for a hole"):
        last(model("x86_64"), [fsdax, made, WriteRead(memory="fsdax", size=1024, hole=True)])
    with pytest.raises(UserError, match="devdax memory has no holes"):
        last(model("x86_64"), [DEVDAX, WriteRead(memory="devdax", hole=True)])


def test_a_file_system_is_mounted_that_was_made_and_is_not() -> None:
    made = Filesystem(type="ext4", file_size=16 * MIB)
    again = Filesystem(type="ext4", make=False)
    fsdax = CreateNamespace(mode="fsdax")
    found = last(model("x86_64"), [fsdax, made, PowerCycle(), again])
    assert (found["outcome"], found["file_bytes"]) == ("mounted", 16 * MIB)
    lost = PowerCycle(damage="first-half")
    for steps in ([fsdax, again], [fsdax, made, again], [fsdax, made, lost, again]):
        with pytest.raises(UserError, match="no ext4 that is not mounted"):
            last(model("x86_64"), steps)
    with pytest.raises(UserError, match="has no file"):
        last(model("x86_64"), [fsdax, made, PowerCycle(), WriteRead(memory="fsdax")])


def test_without_pmem_there_is_nothing_to_find() -> None:
    assert model("s390x").predict(PowerCycle()).unsupported
