"""ndctl's own tests: how they are listed, chosen and predicted. No guest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.image import EXTRA_PROGRAMS
from harness.image.ndctl_build import list_tests
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.model.ndctl_test import TESTS
from harness.records import Layout, PmemDevice, Prediction
from harness.scenario.expand import Cell, expand
from harness.scenario.find import SCENARIOS_DIR
from harness.scenario.ndctl_steps import NdctlTest
from harness.scenario.schema import load_scenarios
from harness.scenario.step import boot_arguments
from harness.target import load_targets

TARGETS = load_targets()
CONFIG = ("nfit-test",)
GIB = 1 << 30
DEVICES = (PmemDevice(6 * GIB, 8 * GIB, 128 << 10, "u"),)


def machine(target: str = "x86_64", version: str = "6.1", *config: str) -> Machine:
    fragments = (*TARGETS[target].kernel.fragments, *config)
    facts = assumed_facts(parse_kernel_spec(f"debian:{version}"), fragments)
    return Machine(TARGETS[target], facts, Layout(4 * GIB, 2, DEVICES))


def predict(machine: Machine, test: str, *, legacy: bool = False) -> Prediction:
    return Model(machine).predict(NdctlTest(test=test, legacy_pmem=legacy))


def cells(*config: str, targets: tuple[str, ...] = tuple(TARGETS)) -> list[Cell]:
    chosen = {name: TARGETS[name] for name in targets}
    scenarios = load_scenarios(SCENARIOS_DIR / "ndctl-suite.yaml")
    return [cell for scenario in scenarios for cell in expand(scenario, chosen, config)]


def test_a_run_without_the_configuration_has_one_cell_a_scenario_and_target() -> None:
    names = [cell.name for cell in cells(targets=("x86_64", "s390x"))]
    assert names == ["ndctl-suite[x86_64]", "ndctl-suite[s390x]", "ndctl-suite-legacy[x86_64]"]


def test_a_run_with_it_has_one_cell_a_test() -> None:
    found = cells(*CONFIG, targets=("x86_64",))
    assert found[0].name == "ndctl-suite[x86_64-libndctl+nfit-test]"
    steps = [step for cell in found for step in cell.steps if isinstance(step, NdctlTest)]
    assert sorted(step.test for step in steps) == sorted(TESTS)


def test_tests_that_share_a_layout_share_guests() -> None:
    assert len({cell.guest for cell in cells(*CONFIG, targets=("x86_64",))}) == 2


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "x86_64"])
def test_other_targets_cannot_have_it(target: str) -> None:
    reason = predict(machine(target), "create.sh").unsupported
    assert reason == f"{target}: nfit_test is built for x86_64 alone"


def test_an_ordinary_kernel_has_no_test_twins_and_its_guest_no_suite() -> None:
    ordinary = machine()
    assert "--config nfit-test" in str(predict(ordinary, "create.sh").unsupported)
    suite = EXTRA_PROGRAMS["ndctl-suite"]
    assert not suite.is_of_use(ordinary.kernel)
    assert suite.is_of_use(machine("x86_64", "6.1", *CONFIG).kernel)


def test_a_test_passes_or_skips_for_a_reason() -> None:
    modular = machine("x86_64", "6.12", *CONFIG)
    (expected,) = predict(modular, "create.sh").expected
    assert (expected.name, expected.value) == ("outcome", "pass")
    for name, test in TESTS.items():
        prediction = predict(modular, name, legacy=test.on == "legacy")
        assert prediction.unsupported is None
        values = {item.name: item.value for item in prediction.expected}
        assert (values["outcome"] == "skip") == (prediction.skipped is not None)


def test_before_6_6_a_guest_has_no_file_for_direct_io() -> None:
    old, new = (machine("x86_64", version, *CONFIG) for version in ("6.1", "6.12"))
    reason = "tmpfs, where the test writes a file, takes no O_DIRECT before 6.6"
    assert predict(old, "device-dax", legacy=True).unsupported == reason
    assert predict(old, "hugetlb").skipped == f"hugetlb: {reason}"
    assert "no two free GiB" in str(predict(new, "hugetlb").skipped)
    roomy = replace(new, layout=replace(new.layout, ram_bytes=8 * GIB))
    for prediction in (predict(new, "device-dax", legacy=True), predict(roomy, "hugetlb")):
        assert [item.value for item in prediction.expected] == ["pass"]


def test_a_test_that_nobody_knows_is_bad_input() -> None:
    with pytest.raises(UserError, match=r"no test 'creat\.sh'") as caught:
        predict(machine("x86_64", "6.1", *CONFIG), "creat.sh")
    assert "'create.sh'" in str(caught.value.hint)


def test_what_is_played_on_a_device_needs_one() -> None:
    modular = machine("x86_64", "6.1", *CONFIG)
    empty = replace(modular, layout=Layout(4 * GIB, 2))
    assert predict(empty, "align.sh").unsupported == "the layout has no pmem device"
    assert "legacy_pmem" in str(predict(modular, "device-dax").unsupported)


def test_legacy_memory_is_asked_for_by_the_step() -> None:
    plain, legacy = NdctlTest(test="create.sh"), NdctlTest(test="dax-dev", legacy_pmem=True)
    assert boot_arguments((plain,)) == ()
    assert boot_arguments((legacy, legacy)) == ("memmap=4G!6G",)


def test_tests_are_listed_with_the_program_that_each_is() -> None:
    """As meson tells them: a script alone, by its interpreter, and one by another name."""
    told = [
        {"name": "create.sh", "cmd": ["/src/test/create.sh"], "suite": ["ndctl:ndctl"]},
        {"name": "cxl", "cmd": ["/bin/bash", "/src/test/cxl-x.sh"], "suite": ["ndctl:cxl"]},
        {"name": "max_extent_ns", "cmd": ["/o/test/max.sh"], "suite": ["ndctl:dax", "ndctl:all"]},
    ]
    assert list_tests(told).splitlines() == [
        "create.sh ndctl test/create.sh",
        "cxl cxl test/cxl-x.sh",
        "max_extent_ns dax,all test/max.sh",
    ]
