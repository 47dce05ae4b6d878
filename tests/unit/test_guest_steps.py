"""Steps against recorded guests: the script that is sent, and what is made of the answer.

The recordings are of a ppc64 hash guest (kernel 6.1.192, ndctl 76.1, two nvdimms, the one
found first at the higher address), with the counters of /proc/vmstat cut down to a few.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.deadline import Deadline
from harness.errors import InfrastructureError
from harness.guest.steps import RUNNERS, StepContext, check_regions, identify_guest, run_step
from harness.guest.steps.script import run_script
from harness.records import CommandRecord, Scalar
from harness.scenario.life_steps import TakeAway
from harness.scenario.steps import (
    STEPS,
    CreateNamespace,
    Filesystem,
    GupTest,
    Regions,
    Step,
    WriteRead,
)
from harness.target import load_targets

TARGETS = load_targets()
RECORDINGS = Path(__file__).parent.parent / "data" / "steps"
RECORDED: list[dict[str, Any]] = [
    answer
    for name in (
        "ppc64-hash-6.1.json",
        "ppc64-hash-6.1-memory.json",
        "x86_64-7.3-kmem.json",
        "ppc64-hash-6.1-kmem.json",
        "ppc64-hash-6.1-life.json",
    )
    for answer in json.loads((RECORDINGS / name).read_text())
]
SH = shutil.which("dash") or "/bin/sh"


class ScriptedShell:
    """Answers every command with the next record; keeps what was asked."""

    def __init__(self, *answers: tuple[int, str, str]) -> None:
        self.answers = list(answers)
        self.commands: list[str] = []
        self.deadlines: list[Deadline] = []

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        self.commands.append(command)
        self.deadlines.append(deadline)
        status, stdout, stderr = self.answers.pop(0)
        return CommandRecord(command, status, stdout, stderr, 0.1)


def context(target: str = "ppc64-hash") -> StepContext:
    chosen = TARGETS[target]
    return StepContext(chosen, chosen.mmu.page_size or 4096, 30.0)


def recorded_step(recorded: dict[str, Any]) -> Step:
    return STEPS[recorded["kind"]].model_validate(recorded["step"])


def values_of(step: Step, status: int, stdout: str, stderr: str = "") -> dict[str, Scalar]:
    return dict(run_step(step, ScriptedShell((status, stdout, stderr)), context()).values)


def script_of(step: Step) -> str:
    """The script of a step, whatever becomes of its answer."""
    shell = ScriptedShell((96, "", "nothing to see"))
    with pytest.raises(InfrastructureError):
        run_step(step, shell, context())
    return shell.commands[0]


def test_every_kind_of_step_can_be_run() -> None:
    assert set(RUNNERS) == {step for step in STEPS.values() if step.needs_guest}


@pytest.mark.parametrize(
    "recorded", RECORDED, ids=[f"{index}-{r['kind']}" for index, r in enumerate(RECORDED)]
)
def test_recorded_answer_gives_its_values(recorded: dict[str, Any]) -> None:
    step = recorded_step(recorded)
    shell = ScriptedShell((recorded["status"], recorded["stdout"], recorded["stderr"]))
    observation = run_step(step, shell, context())
    assert dict(observation.values) == recorded["values"]
    assert observation.step == step.kind
    assert [c.command for c in observation.commands] == shell.commands
    assert len(shell.commands) == 1  # each costs a round trip
    assert 0 < shell.deadlines[0].remaining <= 30


def test_recordings_show_every_outcome() -> None:
    seen = {(r["kind"], r["values"].get("outcome")) for r in RECORDED}
    assert seen >= {
        ("regions", None),
        ("create-namespace", "created"),
        ("create-namespace", "refused"),
        ("destroy-namespaces", "destroyed"),
        ("gup-test", "ran"),
        ("gup-test", "mmap-refused"),
        ("gup-test", "killed"),
        ("gup-test", "no-device"),
        ("filesystem", "mounted"),
        ("filesystem", "refused"),
        ("write-read", "identical"),
        ("write-read", "refused"),
        ("read-back", "identical"),
        ("read-only", None),
        ("take-away", "taken"),
        ("take-away", "refused"),
        ("kmem-state", "set"),
        ("kmem-state", "refused"),
    }


def recording_of(**fields: object) -> dict[str, Any]:
    return next(r for r in RECORDED if fields.items() <= {**r, **r["step"], **r["values"]}.items())


def test_fewer_pages_unpinned_than_pinned_is_seen() -> None:
    """The step reports the two counters apart; a leak must not hide behind their mean."""
    run = recording_of(kind="gup-test", outcome="ran", command="pin-fast", memory="devdax")
    before, _, after = run["stdout"].partition("@@daxhound after")
    released = re.search(r"nr_foll_pin_released (\d+)", after)
    assert released is not None
    leaky = after.replace(released[0], f"nr_foll_pin_released {int(released[1]) - 16}")
    values = values_of(recorded_step(run), 0, f"{before}@@daxhound after{leaky}")
    assert values["pinned_pages"] == run["values"]["pinned_pages"]
    assert values["unpinned_pages"] == run["values"]["unpinned_pages"] - 16


def test_data_that_comes_back_otherwise_differs() -> None:
    run = recording_of(kind="write-read", outcome="identical")
    changed = run["stdout"].replace('"same_bytes": 8388608', '"same_bytes": 8384512')
    assert changed != run["stdout"]
    assert values_of(recorded_step(run), 0, changed)["outcome"] == "differs"


def test_short_read_shows_in_the_bytes() -> None:
    run = recording_of(kind="write-read", outcome="identical")
    changed = run["stdout"].replace("8388608", f"{7 << 20}")
    assert values_of(recorded_step(run), 0, changed) == {"outcome": "differs", "bytes": 7 << 20}


def test_device_that_refuses_to_be_written_to_says_why() -> None:
    said = '{"op": "write-out", "errno": 5}\n'
    said += '{"op": "read-in", "errno": 0, "bytes": 0, "same_bytes": 0}\n'
    answer = f"@@daxhound probe\n{said}@@daxhound end\nstatus=0\n"
    values = values_of(WriteRead(), 0, answer)
    assert (values["outcome"], values["errno"]) == ("refused", "EIO")


def test_a_disk_that_stays_read_only_shows() -> None:
    run = recording_of(kind="read-only")
    set_, _, _ = run["stdout"].partition("@@daxhound cleared\n")
    cleared = set_.replace("daxhound set", "daxhound cleared").replace("region=1", "region=0")
    values = values_of(recorded_step(run), 0, set_ + cleared)
    assert (values["cleared.region"], values["cleared.disk"]) == (0, 1)
    assert (values["cleared.written"], values["cleared.errno"]) == (False, "EPERM")


def test_regions_count_by_address_not_by_name() -> None:
    run = recording_of(kind="regions")
    assert run["values"]["region0.start"] == 0x400000000
    assert run["values"]["region1.start"] == 0x490000000


ALL_STEPS: list[Step] = [
    *(recorded_step(recorded) for recorded in RECORDED),
    *(
        GupTest(command=command, memory=memory, repeats=3)
        for command in ("get-fast", "get", "pin-fast", "pin", "longterm")
        for memory in ("anon", "thp", "hugetlb", "shmem", "devdax", "fsdax")
    ),
    *(CreateNamespace(mode=mode, region=2) for mode in ("raw", "sector", "fsdax", "devdax")),
    Filesystem(type="xfs", file_size=12345),
    WriteRead(size=12345),
]


@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.kind)
def test_script_is_valid_shell(step: Step) -> None:
    checked = subprocess.run(
        [SH, "-n"], input=script_of(step), text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("step", "wanted", "unwanted"),
    [
        (
            GupTest(command="pin-fast", memory="devdax"),
            '-a -m 64 -n 512 -r 1 -w -S -f "$file"',
            "-T",
        ),
        (GupTest(command="pin-fast", memory="devdax", huge=False), " -T ", " -t "),
        (GupTest(command="get", memory="anon", write=False), "-U -m 64 -n 512 -r 1 -W -T", "-S"),
        (GupTest(command="pin", memory="thp"), "-b -m 64 -n 512 -r 1 -w -t", "-S"),
        (GupTest(command="longterm", memory="hugetlb"), "-L -m 64 -n 512 -r 1 -w -S -H", "-f "),
        (GupTest(command="get-fast", memory="shmem", shared=False), " -u ", "-H"),
        (GupTest(command="get-fast", memory="fsdax", shared=False, region=2), '"$file"', " -S"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_gup_test_is_given_the_flags_of_the_step(step: GupTest, wanted: str, unwanted: str) -> None:
    flags = {"get-fast": "-u", "get": "-U", "pin-fast": "-a", "pin": "-b", "longterm": "-L"}
    line = next(line for line in script_of(step).splitlines() if " gup_test " in line)
    line = line.partition("{' gup_test")[2].partition("'}'")[0]
    assert wanted in line
    assert flags[step.command] in line.split()
    assert unwanted not in line


def test_devdax_node_is_looked_at_before_gup_test_could_create_it() -> None:
    script = script_of(GupTest(command="pin-fast", memory="devdax"))
    assert script.index('[ -c "$file" ]') < script.index("gup_test -a")


def test_a_file_of_an_odd_size_is_written_in_large_pieces(tmp_path: Path) -> None:
    script = script_of(Filesystem(type="ext4", file_size=3_000_001))
    fill = re.search("^dd .* conv=notrunc", script, re.MULTILINE)
    assert fill is not None
    subprocess.run([SH, "-c", f"mount={tmp_path}; {fill[0]}"], check=True, capture_output=True)
    assert (tmp_path / "file").read_bytes() == bytes(3_000_001)
    assert " bs=1048576 " in fill[0]
    assert ":16777224:1048576" in script_of(WriteRead(memory="devdax", size=(16 << 20) + 8))


def test_only_what_is_asked_for_is_passed_to_ndctl() -> None:
    plain = script_of(CreateNamespace(mode="raw"))
    assert "--region=$region --mode=raw '}'" in plain
    full = script_of(CreateNamespace(mode="devdax", map="mem", align=1 << 24, size=1 << 29))
    assert "--mode=devdax --map=mem --align=16777216 --size=536870912 '}'" in full


def region_in(directory: Path, index: int) -> str:
    """What the scripts' own function makes of a sysfs."""
    shell = ScriptedShell((0, "", ""))
    run_script(shell, f"nd={directory}\nregion {index} && echo $region", Deadline.after(1))
    ran = subprocess.run([SH, "-c", shell.commands[0]], text=True, capture_output=True, check=False)
    return ran.stdout.strip()


def test_region_function_orders_by_number_not_by_text(tmp_path: Path) -> None:
    starts = {"region0": "0x1000000000", "region1": "0x900000000", "region10": "0x80000000"}
    for name, start in starts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "resource").write_text(f"{start}\n")
    (tmp_path / "region2").mkdir()  # not pmem: it has no address
    found = [region_in(tmp_path, index) for index in range(4)]
    assert found == ["region10", "region1", "region0", ""]


def test_region_function_finds_nothing_where_nothing_is(tmp_path: Path) -> None:
    assert region_in(tmp_path / "absent", 0) == ""


@pytest.mark.parametrize("step", ALL_STEPS[:3], ids=lambda step: step.kind)
def test_missing_tool_is_never_the_kernels_fault(step: Step) -> None:
    shell = ScriptedShell((127, "", "/run/c: line 9: ndctl: not found\n"))
    with pytest.raises(InfrastructureError, match="tool missing in the guest's image: ndctl"):
        run_step(step, shell, context())


def test_what_fails_around_ndctl_is_never_its_refusal() -> None:
    said = "daxprobe: mlockall: Cannot allocate memory\n"
    with pytest.raises(InfrastructureError, match=r"^daxprobe: mlockall: Cannot"):
        values_of(CreateNamespace(mode="raw"), 2, "", said)
    refusal = "failed to create namespace: Invalid argument\n"
    assert values_of(CreateNamespace(mode="raw"), 2, "", refusal)["outcome"] == "refused"


@pytest.mark.parametrize(
    ("status", "stdout"),
    [
        (0, ""),
        (0, "@@daxhound before\n\n@@daxhound output\nPIN_FAST_BENCHMARK: Time: get:1 put:1 us\n"),
        (0, "@@daxhound before\n@@daxhound output\n\n@@daxhound after\n@@daxhound end\nstatus=0\n"),
        (
            0,
            "@@daxhound output\nPIN_FAST_BENCHMARK: Time: get:1 put:1 us\n"
            "@@daxhound end\nstatus=0\n",
        ),
    ],
    ids=["nothing", "broken-off", "no-result", "no-counters"],
)
def test_gup_run_that_shows_nothing_is_no_observation(status: int, stdout: str) -> None:
    with pytest.raises(InfrastructureError):
        values_of(GupTest(command="pin-fast", memory="anon"), status, stdout)


@pytest.mark.parametrize("stdout", ["", "@@daxhound ndctl\n\n", "@@daxhound ndctl\n{}\n"])
def test_ndctl_that_succeeds_without_a_namespace_is_no_observation(stdout: str) -> None:
    with pytest.raises(InfrastructureError):
        values_of(CreateNamespace(mode="raw"), 0, stdout)


def test_ndctl_that_dies_without_a_word_is_no_refusal() -> None:
    with pytest.raises(InfrastructureError, match="status 137 without a word"):
        values_of(CreateNamespace(mode="raw"), 137, "@@daxhound ndctl\n\n")


def test_what_a_library_left_out_is_asked_for_is_no_finding() -> None:
    said = "EVP_sha256 is not in the guest (daxhound_stand_in)\nAborted\n"
    with pytest.raises(InfrastructureError, match="a program calls EVP_sha256"):
        run_script(ScriptedShell((134, "", said)), "ndctl list", Deadline.after(1))


def test_guest_tells_what_it_is() -> None:
    answer = (
        "\n@@daxhound proc\nKernelPageSize:       64 kB\n"
        "MMU\t\t: Hash\n\n@@daxhound sysfs\npmd_size=0\npmd_size=16777216\nrelease=6.1.192\n"
    )
    observation = identify_guest(ScriptedShell((0, answer, "")), Deadline.after(1))
    assert observation.step == "guest"
    assert dict(observation.values) == {
        "page_size": 65536,
        "pmd_size": 16 << 20,
        "cpuinfo_mmu": "Hash",
        "release": "6.1.192",
    }


def test_guest_without_huge_pages_or_mmu_line_says_so() -> None:
    answer = (
        "@@daxhound proc\nKernelPageSize:        4 kB\n"
        "@@daxhound sysfs\npmd_size=0\nrelease=6.1.192\n"
    )
    values = identify_guest(ScriptedShell((0, answer, "")), Deadline.after(1)).values
    assert (values["pmd_size"], values["cpuinfo_mmu"]) == (0, None)


@pytest.mark.parametrize("target", ["ppc64-radix", "s390x"])
def test_regions_are_not_looked_at_where_the_harness_writes_no_labels(target: str) -> None:
    shell = ScriptedShell()
    check_regions(shell, context(target))
    assert shell.commands == []


FREE = "@@daxhound regions\nregion0.size_bytes=1073741824\nregion0.available_bytes={}\nregions=1\n"


def test_region_that_is_not_free_is_the_harness_failing() -> None:
    check_regions(ScriptedShell((0, FREE.format(1 << 30), "")), context("x86_64"))
    with pytest.raises(InfrastructureError, match="has 0 of 1073741824 bytes free"):
        check_regions(ScriptedShell((0, FREE.format(0), "")), context("x86_64"))


def test_regions_without_dax_show_no_alignments() -> None:
    text = "@@daxhound regions\nregion0.size_bytes=4096\nregion0.start=0x1000\nregions=1\n"
    values = values_of(Regions(), 0, text)
    assert values == {"region0.size_bytes": 4096, "region0.start": 4096, "regions": 1}


def test_writer_that_nothing_is_taken_from_is_ended_and_says_nothing() -> None:
    """Of a refusal, which is the kernel's, and not of a probe that broke off."""
    said = "error disabling namespaces: Device or resource busy"
    stdout = (
        '@@daxhound holder\n{"op": "pause"}\n@@daxhound taken\nstatus=240\nwaits=\n'
        f"@@daxhound said\n{said}\n@@daxhound restored\nsectors=8\n"
    )
    values = values_of(TakeAway.model_validate({"memory": "block"}), 0, stdout)
    assert values == {
        **{"outcome": "refused", "errno": "EBUSY", "message": said},
        **{"restored_bytes": 4096, "write_failed": False},
    }


def test_memory_that_cannot_be_mapped_cannot_be_taken_away() -> None:
    taken = recording_of(kind="take-away", memory="devdax")
    stdout = taken["stdout"].replace(
        '{"op": "map", "errno": 0}', '{"op": "map", "errno": 6, "over": 0}'
    )
    stdout = re.sub(r'{"op": "touch"[^}]*}', '{"op": "touch", "skipped": true}', stdout)
    assert values_of(recorded_step(taken), 0, stdout) == {
        "outcome": "mmap-refused",
        "errno": "ENXIO",
    }


def test_a_second_mapping_that_is_refused_is_seen() -> None:
    run = recording_of(kind="write-read", memory="devdax")
    first, map_, second = run["stdout"].rpartition('{"op": "map", "errno": 0')
    second = re.sub(r'{"op": "touch"[^}]*}', '{"op": "touch", "skipped": true}', second)
    stdout = f"{first}{map_.replace('0', '12')}{second}"
    assert values_of(recorded_step(run), 0, stdout) == {"outcome": "refused", "errno": "ENOMEM"}


def test_a_file_that_the_kernel_refuses_is_seen() -> None:
    run = recording_of(kind="file-io")
    stdout = run["stdout"].replace('"op": "stale", "errno": 0', '"op": "stale", "errno": 95')
    assert values_of(recorded_step(run), 0, stdout) == {"outcome": "refused", "errno": "EOPNOTSUPP"}
