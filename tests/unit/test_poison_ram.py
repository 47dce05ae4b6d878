"""hwpoison in memory of no device: who is told at once, who finds it later, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.compare import compare
from harness.deadline import Deadline
from harness.errors import UserError
from harness.guest.steps import StepContext, run_step
from harness.model import Machine, Model
from harness.records import CommandRecord, KernelFacts, Layout, Scalar
from harness.scenario.expand import expand
from harness.scenario.schema import load_scenarios
from harness.scenario.steps import HwPoison
from harness.target import load_targets

TARGETS = load_targets()
MIB = 1 << 20
OLD, NEW = (6, 1, 192), (7, 3, 4)
STEP = HwPoison(memory="anon", size=16 * MIB, offset=0x630123, early=True)


def model(target: str = "x86_64", version: tuple[int, int, int] = OLD, **probes: bool) -> Model:
    symbols = {} if target == "s390x" else {"MEMORY_FAILURE": "y"}
    kernel = KernelFacts(version, "release", symbols, 64, probes)
    return Model(Machine(TARGETS[target], kernel, Layout(2 << 30, 2, ())))


def predicted(step: HwPoison, guest: Model) -> dict[str, Scalar]:
    return {expected.name: expected.value for expected in guest.predict(step).expected}


@pytest.mark.parametrize(
    ("version", "early", "own", "other", "messages"),
    [
        (OLD, False, None, None, 0),
        (OLD, True, "BUS_MCEERR_AO", "BUS_MCEERR_AO", 2),
        (NEW, False, "BUS_MCEERR_AR", None, 1),
        (NEW, True, "BUS_MCEERR_AR", "BUS_MCEERR_AO", 2),
    ],
)
@pytest.mark.parametrize("memory", ["anon", "shmem"])
def test_who_is_told_at_once(
    version: tuple[int, int, int],
    early: bool,
    own: str | None,
    other: str | None,
    messages: int,
    memory: Any,
) -> None:
    step = HwPoison(memory=memory, early=early)
    seen = predicted(step, model(version=version))
    assert (seen["code"], seen["other_code"]) == (own, other)
    assert seen["sigbus_messages"] == messages
    assert seen.get("address_lsb") == (12 if own else None)


@pytest.mark.parametrize(("asked", "code"), [(True, "BUS_MCEERR_AR"), (False, None)])
def test_the_source_decides_whether_the_poisoner_is_told(asked: bool, code: str | None) -> None:
    step = HwPoison(memory="anon")
    assert predicted(step, model(hwpoison_action_required=asked))["code"] == code


@pytest.mark.parametrize(
    ("target", "lsb", "at"),
    [("x86_64", 12, 0x630000), ("ppc64-hash", 16, 0x630000), ("arm64-16k", 14, 0x630000)],
)
@pytest.mark.parametrize("advice", ["none", "huge", "nohuge"])
@pytest.mark.parametrize("prefix", ["touch", "other_touch", "forked_touch"])
def test_whoever_has_the_page_is_told_of_it_alone(
    target: str, lsb: int, at: int, advice: Any, prefix: str
) -> None:
    seen = predicted(STEP.model_copy(update={"advice": advice}), model(target))
    assert (seen[f"{prefix}_signal"], seen[f"{prefix}_code"]) == ("SIGBUS", "BUS_MCEERR_AR")
    assert (seen[f"{prefix}_address_offset"], seen[f"{prefix}_address_lsb"]) == (at, lsb)
    assert seen["intact_bytes"] == 16 * MIB - (1 << lsb)


@pytest.mark.parametrize("fields", [{"offset": 16 * MIB}, {"size": 16 * MIB + 512}])
def test_poison_lies_in_whole_pages_of_the_mapping(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="a mapping of whole pages and a page within"):
        model().predict(STEP.model_copy(update=fields))


def test_memory_needs_no_device_but_memory_failure() -> None:
    assert model().unsupported([STEP]) is None
    reason = "the kernel is built without CONFIG_MEMORY_FAILURE"
    assert model("s390x").unsupported([STEP]) == reason
    bound = STEP.model_copy(update={"node": 0})
    assert model().unsupported([bound]) == "the kernel is built without CONFIG_NUMA"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("advice: huge", "advice is for memory: anon; a device-dax is mapped by its align"),
        ("memory: anon, region: 0", "a pmem region is named, which has no memory: anon"),
        ("memory: anon, device: dax0.1", "a device is named, which is memory: devdax"),
        ("memory: anon, via: corrupt-pfn", "via: corrupt-pfn is for memory: devdax"),
        ("memory: shmem, region: 0", "a pmem region is named, which has no memory: shmem"),
        ("memory: shmem, advice: huge", "advice is for memory: anon; shared memory is of base"),
        ("node: 0", "node is for memory: anon or shmem; a device-dax is where it is"),
    ],
)
def test_fields_that_make_no_sense_together(tmp_path: Path, fields: str, message: str) -> None:
    path = tmp_path / "poison.yaml"
    path.write_text(f"scenario: poison\nsummary: none\nsteps:\n  - hwpoison: {{{fields}}}\n")
    (scenario,) = load_scenarios(path)
    with pytest.raises(UserError, match=message) as caught:
        list(expand(scenario, {"x86_64": TARGETS["x86_64"]}))
    assert (caught.value.path, caught.value.line) == (path, 4)


class Guest:
    """A shell that answers as an early guest of 6.1 does, and keeps what it was asked."""

    def __init__(self, forked: str, lsb: int) -> None:
        told = self._signal(5, 12)
        found = self._signal(4, lsb)
        lines = [
            '"count", "name": "before", "HardwareCorrupted_kB": 0',
            '"early", "errno": 0',
            '"map", "errno": 0',
            '"touch", "touched_bytes": 16777216, "faults": 4096, "signal": 0',
            f'"poison", "errno": 0}}\n{{"op": "caught", {told}',
            f'"touch", "touched_bytes": 0, "faults": 1, {found}',
            '"join", "signal": 0',
            f'"caught", {told}',
            f'"touch", "touched_bytes": 0, "faults": 1, {found}',
            f'"touch", "touched_bytes": 0, "faults": 1, {forked or found}',
            '"join", "signal": 0',
            '"touch", "touched_bytes": 6488064, "faults": 0, "signal": 0',
            '"touch", "touched_bytes": 10285056, "faults": 0, "signal": 0',
            '"count", "name": "after", "HardwareCorrupted_kB": 4',
            '"unmap", "errno": 0',
        ]
        replies = "\n".join(f'{{"op": {line}}}' for line in lines)
        said = "Memory failure: 0x1234: "
        sent = f"{said}Sending SIGBUS to daxprobe:7 due to hardware memory corruption\n"
        messages = f"{2 * sent}{said}recovery action for dirty LRU page: Recovered\n"
        self.answer = (
            f"@@daxhound probe\n{replies}\n@@daxhound dmesg\n{messages}@@daxhound end\nstatus=0\n"
        )
        self.asked = ""

    def _signal(self, code: int, lsb: int) -> str:
        return f'"signal": 7, "code": {code}, "offset": 6488064, "lsb": {lsb}'

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        assert deadline.remaining > 0
        self.asked = command
        return CommandRecord(command, 0, self.answer, "", 0.1)


def mismatches(guest: Guest) -> set[str]:
    seen = run_step(STEP, guest, StepContext(TARGETS["x86_64"], 4096, 30.0))
    return {mismatch.expected.name for mismatch in compare(model().predict(STEP), seen).mismatches}


def test_a_sound_kernel_shows_what_is_predicted() -> None:
    guest = Guest("", 12)
    assert mismatches(guest) == set()
    assert "touch:verify:0:6488064:4096 touch:verify:6492160:10285056:4096" in guest.asked
    assert "poison:6488064" in guest.asked


def test_shared_memory_of_one_node_is_mapped_so() -> None:
    guest, context = Guest("", 12), StepContext(TARGETS["x86_64"], 4096, 30.0)
    run_step(STEP.model_copy(update={"memory": "shmem", "node": 1}), guest, context)
    assert "map:shared:rw:0:16777216 bind:1 touch:fill" in guest.asked


def test_memory_that_cannot_be_bound_is_refused() -> None:
    guest, context = Guest("", 12), StepContext(TARGETS["x86_64"], 4096, 30.0)
    guest.answer = guest.answer.replace(
        '"map", "errno": 0}', '"map", "errno": 0}\n{"op": "bind", "errno": 22}'
    )
    step = STEP.model_copy(update={"node": 1})
    assert run_step(step, guest, context).values == {"outcome": "refused", "errno": "EINVAL"}


def test_a_child_that_reads_zeroes_is_a_mismatch() -> None:
    names = {f"forked_touch_{name}" for name in ("signal", "code", "address_offset", "address_lsb")}
    assert mismatches(Guest('"signal": 0', 12)) == names


def test_the_shift_of_a_huge_page_is_a_mismatch() -> None:
    names = {f"{prefix}touch_address_lsb" for prefix in ("", "other_", "forked_")}
    assert mismatches(Guest("", 21)) == names
