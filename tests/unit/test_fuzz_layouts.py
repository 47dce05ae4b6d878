"""Random scenarios are legal, differ, and come out the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.scenario.expand import expand
from harness.scenario.schema import load_scenarios
from harness.target import load_targets
from tests.fuzz.devices import random_devices
from tests.fuzz.layouts import random_scenario

NAMES = ("outcome", "kernel_errno")
TARGETS = {name: target for name, target in load_targets().items() if target.pmem}


def test_a_seed_draws_the_same_again() -> None:
    target = TARGETS["x86_64"]
    drawn = [random_scenario(target, 5, index) for index in range(4)]
    assert drawn == [random_scenario(target, 5, index) for index in range(4)]
    assert len({str(scenario["layout"]) for scenario in drawn}) > 1


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("kernel", ["debian:6.1", "debian:7.2"])
def test_every_layout_is_legal_and_predicted(name: str, kernel: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    facts = assumed_facts(parse_kernel_spec(kernel), target.kernel.fragments)
    path = tmp_path / "random.yaml"
    path.write_text(yaml.safe_dump_all(random_scenario(target, 3, n) for n in range(25)))
    impossible = 0
    for scenario in load_scenarios(path):
        (cell,) = expand(scenario, {name: target})
        model = Model(Machine(target, facts, cell.layout))
        impossible += model.unsupported(cell.steps) is not None
        for step in cell.steps:
            model.predict(step)
    assert impossible < 25, "some of what is drawn must be there to be seen in a guest"


@pytest.mark.parametrize("kernel", ["debian:6.1", "debian:7.2"])
def test_devices_in_any_order_are_legal_and_predicted(kernel: str, tmp_path: Path) -> None:
    target = TARGETS["x86_64"]
    facts = assumed_facts(parse_kernel_spec(kernel), target.kernel.fragments)
    drawn = [random_devices(target, facts, 3, index) for index in range(25)]
    assert drawn == [random_devices(target, facts, 3, index) for index in range(25)]
    path = tmp_path / "random.yaml"
    path.write_text(yaml.safe_dump_all(drawn))
    outcomes = set()
    for scenario in load_scenarios(path):
        (cell,) = expand(scenario, {"x86_64": target})
        model = Model(Machine(target, facts, cell.layout))
        for prediction in map(model.predict, cell.steps):
            assert prediction.unsupported is None
            outcomes |= {(prediction.step, e.value) for e in prediction.expected if e.name in NAMES}
    assert {("resize-device", "resized"), ("resize-device", "EBUSY")} <= outcomes
    assert {("create-device", "ENOSPC"), ("create-device", "EINVAL")} <= outcomes
    assert {("destroy-device", "destroyed"), ("fault", "touched")} <= outcomes
