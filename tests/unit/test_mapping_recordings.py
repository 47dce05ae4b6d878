"""Recorded guests: what steps make of the answers, and that the model says the same.

Each recording is of one target, with up to two nvdimms of 1G: one guest that did the steps of
one cell after another, its namespaces destroyed between them, or guests of a run. Of one target
``stdout`` is kept as well, cut down to what is read.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from harness.compare import compare
from harness.deadline import Deadline
from harness.errors import InfrastructureError
from harness.guest.steps import StepContext, run_step
from harness.model import Machine, Model
from harness.records import CommandRecord, KernelFacts, Layout, Observation, PmemDevice
from harness.scenario.steps import (
    STEPS,
    CreateNamespace,
    DestroyNamespaces,
    Fault,
    HwPoison,
    Mmap,
    PageMetadata,
    RdmaRegister,
    Step,
)
from harness.target import load_targets

TARGETS = load_targets()
DATA = Path(__file__).parent.parent / "data" / "mappings"
RECORDINGS = {path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))}
GIB = 1 << 30


class OneAnswer:
    """A shell that gives one answer, whatever it is asked."""

    def __init__(self, status: int, stdout: str, stderr: str = "") -> None:
        self.answer = (status, stdout, stderr)

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        assert deadline.remaining > 0
        return CommandRecord(command, *self.answer, 0.1)


def context(target: str) -> StepContext:
    return StepContext(TARGETS[target], TARGETS[target].mmu.page_size, 30.0)


def machine(recording: dict[str, Any]) -> Machine:
    target, kernel = TARGETS[recording["target"]], recording["kernel"]
    major, minor, patch = kernel["version"]
    facts = KernelFacts(
        (major, minor, patch),
        kernel["release"],
        dict.fromkeys(kernel["symbols"], "y"),
        kernel["struct_page_bytes"],
        kernel["probes"],
    )
    starts = (4 * GIB, 8 * GIB) if target.pmem else ()
    devices = tuple(PmemDevice(GIB, start, 128 << 10, "uuid") for start in starts)
    return Machine(target, facts, Layout(2 * GIB, 2, devices))


@pytest.mark.parametrize("name", RECORDINGS)
def test_answers_give_their_values(name: str) -> None:
    recording = RECORDINGS[name]
    for recorded in itertools.chain.from_iterable(recording["cells"].values()):
        if "stdout" not in recorded:
            continue
        step = STEPS[recorded["kind"]].model_validate(recorded["step"])
        shell = OneAnswer(recorded["status"], recorded["stdout"], recorded["stderr"])
        observation = run_step(step, shell, context(recording["target"]))
        assert dict(observation.values) == recorded["values"], recorded["step"]


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_model_says_what_was_seen(name: str) -> None:
    recording = RECORDINGS[name]
    for steps in recording["cells"].values():
        model = Model(machine(recording))
        for recorded in steps:
            step = STEPS[recorded["kind"]].model_validate(recorded["step"])
            seen = Observation(recorded["kind"], recorded["values"])
            result = compare(model.predict(step), seen)
            # The namespaces only have to be there: other guests show what they cost.
            if not isinstance(step, CreateNamespace | DestroyNamespaces):
                assert result.mismatches == (), recorded["step"]
            assert result.compared > 0


def test_recordings_show_every_outcome() -> None:
    seen = {
        (recorded["kind"], recorded["values"]["outcome"])
        for recording in RECORDINGS.values()
        for recorded in itertools.chain.from_iterable(recording["cells"].values())
    }
    assert seen >= {
        ("fault", "touched"),
        ("fault", "refused"),
        ("fault", "signalled"),
        ("mmap", "touched"),
        ("page-metadata", "dumped"),
        ("hwpoison", "poisoned"),
        ("rdma-register", "registered"),
        ("rdma-register", "refused"),
        ("rdma-register", "mmap-refused"),
    }


STEPS_OF_PROBES: list[Step] = [
    Fault(memory="devdax"),
    Mmap(memory="anon"),
    HwPoison(),
    RdmaRegister(memory="devdax"),
]


@pytest.mark.parametrize("step", STEPS_OF_PROBES, ids=lambda step: step.kind)
def test_a_guest_without_the_probe_is_the_harness_failing(step: Step) -> None:
    (program,) = step.programs or ("daxprobe",)
    shell = OneAnswer(127, "\n@@daxhound probe\n", f"sh: {program}: not found\n")
    with pytest.raises(InfrastructureError, match=f"missing in the guest's image: {program}"):
        run_step(step, shell, context("x86_64"))


@pytest.mark.parametrize("step", STEPS_OF_PROBES, ids=lambda step: step.kind)
@pytest.mark.parametrize(
    "stdout",
    [
        "",
        "@@daxhound probe\n",
        "@@daxhound probe\n@@daxhound end\nstatus=2\n",
        "@@daxhound probe\n@@daxhound end\nstatus=0\n",
        '@@daxhound probe\n{"op": "map"}\n@@daxhound end\nstatus=0\n',
        "@@daxhound probe\nIllegal instruction\n@@daxhound end\nstatus=0\n",
    ],
)
def test_a_run_that_shows_nothing_is_no_observation(step: Step, stdout: str) -> None:
    with pytest.raises(InfrastructureError):
        run_step(step, OneAnswer(0, stdout), context("x86_64"))


@pytest.mark.parametrize("step", STEPS_OF_PROBES, ids=lambda step: step.kind)
def test_a_probe_that_the_kernel_kills_is_observed(step: Step) -> None:
    stdout = '@@daxhound probe\n{"op": "map", "errno": 0}\n@@daxhound end\nstatus=137\n'
    values = run_step(step, OneAnswer(0, stdout), context("x86_64")).values
    assert dict(values) == {"outcome": "killed", "signal": "SIGKILL"}


def test_a_killed_child_is_observed() -> None:
    replies = '{"op": "map", "errno": 0}\n{"op": "join", "signal": 9}\n'
    stdout = f"@@daxhound probe\n{replies}@@daxhound end\nstatus=0\n"
    values = run_step(HwPoison(), OneAnswer(0, stdout), context("x86_64")).values
    assert dict(values) == {"outcome": "killed", "signal": "SIGKILL"}


def test_pages_that_nobody_dumped_show_no_counts() -> None:
    """gup_test says "done" whether the kernel printed anything or not."""
    stdout = "@@daxhound output\nDUMP_USER_PAGES_TEST: done\n@@daxhound end\nstatus=0\n"
    step = PageMetadata(memory="devdax")
    values = run_step(step, OneAnswer(0, stdout), context("x86_64")).values
    assert dict(values) == {"outcome": "dumped"}


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("mmap", "page_table_bytes_left", 2048),  # a deposited table that was not withdrawn
        ("mmap", "page_table_pages_left", 28),  # ... or was withdrawn, but not freed
        ("mmap", "nr_mapped_left", 1),
        ("page-metadata", "page0.refcount", 1),  # a reference that unpinning forgot
        ("page-metadata", "page0.refcount", -1),  # ... or that a fault did not take
        ("page-metadata", "page0.pfn", 1),
        ("page-metadata", "page0.order", -1),
        ("hwpoison", "address_lsb", -8),
        ("hwpoison", "address_offset", 1 << 16),
        ("hwpoison", "other_faults", -1),
        ("hwpoison", "forked_touch_address_lsb", 8),
        ("hwpoison", "intact_bytes", -(1 << 16)),
        ("fault", "faults", 1),
        ("fault", "fault_offset", -4096),
        ("fault", "page_table_bytes", 2048),
        ("gup-test", "unpinned_pages", -1),
    ],
)
def test_what_a_broken_kernel_would_show_is_a_mismatch(kind: str, name: str, change: int) -> None:
    """The recorded hash guest, with one number of one kind of step wrong."""
    recording = RECORDINGS["ppc64-hash-6.1"]
    caught = 0
    for steps in recording["cells"].values():
        model = Model(machine(recording))
        for recorded in steps:
            step = STEPS[recorded["kind"]].model_validate(recorded["step"])
            prediction, seen = model.predict(step), recorded["values"]
            if recorded["kind"] == kind and isinstance(seen.get(name), int):
                wrong = Observation(kind, {**seen, name: seen[name] + change})
                names = {m.expected.name for m in compare(prediction, wrong).mismatches}
                caught += name in names
    assert caught > 0
