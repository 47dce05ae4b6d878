"""A namespace that comes and goes: what is predicted, and what an answer is made into."""

from __future__ import annotations

import pytest

from harness.deadline import Deadline
from harness.errors import UserError
from harness.guest.steps import StepContext, run_step
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine
from harness.model.predict import Model
from harness.records import CommandRecord, Layout, PmemDevice, Prediction
from harness.scenario.steps import Churn, CreateNamespace
from harness.target import load_targets

MIB, GIB = 1 << 20, 1 << 30
TARGETS = load_targets()


def model(target: str) -> Model:
    chosen = TARGETS[target]
    device = PmemDevice(GIB, 4 * GIB, 128 << 10, "0a6ab1cc-4d51-4a13-8d3b-0f8b2f2f1d51")
    layout = Layout(2 * GIB, 2, (device,) if chosen.pmem else ())
    facts = assumed_facts(parse_kernel_spec("debian:6.1"), chosen.kernel.fragments)
    return Model(Machine(chosen, facts, layout))


def values(prediction: Prediction) -> dict[str, object]:
    return {f"{e.name} {e.relation}": e.value for e in prediction.expected}


def test_nothing_is_kept_and_the_region_is_as_before() -> None:
    guest = model("x86_64")
    step = Churn(mode="devdax", map="mem", align=2 * MIB, times=7)
    first = guest.predict(step)
    found = values(first)
    assert found["made =="] == 7
    assert found["available_bytes =="] == GIB
    assert found["ram_bytes >="] == -int(str(found["ram_bytes <="])) < 0
    assert guest.predict(step) == first


def test_what_cannot_be_made_is_refused_in_the_same_words() -> None:
    step = Churn(mode="devdax", map="mem", align=3 * MIB)
    refused = values(model("x86_64").predict(step))
    made = values(model("x86_64").predict(CreateNamespace(**step.model_dump(exclude={"times"}))))
    assert refused.pop("made ==") == 0
    assert refused == {name: text for name, text in made.items() if name != "outcome =="}


def test_it_would_destroy_what_is_there() -> None:
    guest = model("ppc64-hash")
    guest.predict(CreateNamespace(mode="raw", size=256 * MIB))
    with pytest.raises(UserError, match="which it would destroy"):
        guest.predict(Churn(mode="devdax"))


def test_without_pmem_it_is_unsupported() -> None:
    assert model("s390x").predict(Churn(mode="devdax")).unsupported


class Answering:
    """A shell with one answer, which keeps how long it was given."""

    seconds = 0.0

    def __init__(self, status: int, stdout: str, stderr: str = "") -> None:
        self.answer = status, stdout, stderr

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        self.seconds = deadline.remaining
        return CommandRecord(command, *self.answer, 0.1)


def test_a_round_that_fails_ends_it_with_ndctls_words() -> None:
    target = TARGETS["x86_64"]
    left = "\n@@daxhound left\nnamespaces_left=1\navailable_bytes=0\nmade=3\n"
    shell = Answering(240, left, "failed to create namespace: Device or resource busy\n")
    step = Churn(mode="devdax", times=50)
    seen = run_step(step, shell, StepContext(target, 4096, 10.0)).values
    assert (seen["made"], seen["namespaces_left"], seen["errno"]) == (3, 1, "EBUSY")
    assert 400 < shell.seconds <= 500
