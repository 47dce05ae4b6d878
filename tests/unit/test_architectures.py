"""An architecture is data: what its data file says is all that the harness knows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.gates import read_gates
from harness.image.packages import load_guest_contents
from harness.kernel.assumed import assumed_facts
from harness.kernel.fragments import load_fragments
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.scenario.expand import expand
from harness.scenario.find import all_scenarios
from harness.target import TARGETS_DIR, Target, load_target, load_targets
from harness.triage.finding import Architectures

TARGETS = load_targets()
SYMBOLS = {
    name: {request.symbol for request in load_fragments(target.kernel.fragments)}
    for name, target in TARGETS.items()
}


def changed(tmp_path: Path, name: str, *changes: tuple[str, str]) -> Target:
    """A target's data file with something else in it."""
    text = (TARGETS_DIR / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "made-up.yaml"
    path.write_text(text)
    return load_target(path)


@pytest.mark.parametrize("arch", sorted({target.kernel.arch for target in TARGETS.values()}))
def test_an_architecture_is_told_by_one_symbol_and_by_its_consoles(arch: str) -> None:
    own = {name for name, target in TARGETS.items() if target.kernel.arch == arch}
    (known,) = {TARGETS[name].kernel.known_by for name in own} - {None}
    assert {name for name, symbols in SYMBOLS.items() if known in symbols} == own
    marks = [TARGETS[name].console for name in own if TARGETS[name].console]
    assert len(marks) == 1


def test_every_gate_is_told_by_a_symbol_that_some_target_asks_for() -> None:
    asked = set().union(*SYMBOLS.values())
    assert {gate.by for gate in read_gates(TARGETS.values())} <= asked


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("  known_by: S390_GUEST\n", "", "kernel", "gates need known_by"),
        ("registers: '", "registers: '(", "console.registers", "no regular expression"),
        ('since: "3.2"', "sinse: 3", "kernel.gates.0.sinse", "since"),
    ],
)
def test_what_is_wrong_in_a_data_file_is_named(
    tmp_path: Path, old: str, new: str, field: str, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        changed(tmp_path, "s390x", (old, new))
    assert all(text in str(caught.value) for text in ("made-up.yaml:", field, words))


def test_a_guest_may_come_from_another_debian(tmp_path: Path) -> None:
    contents = load_guest_contents()
    other = changed(tmp_path, "s390x", ("debian: s390x\n", "debian: s390x\nsuite: sid\n"))
    assert contents.of(other).suite == "sid"
    assert contents.of(TARGETS["s390x"]) == contents


def test_an_mmu_that_the_model_never_heard_of_has_predictions(tmp_path: Path) -> None:
    """As the generic code does it: every scenario that is for all targets."""
    target = changed(tmp_path, "s390x", ("kind: s390", "kind: made-up"))
    facts = assumed_facts(parse_kernel_spec("debian:6.12"), target.kernel.fragments)
    predicted = 0
    for scenario in all_scenarios():
        for cell in expand(scenario, {target.name: target}):
            model = Model(Machine(target, facts, cell.layout))
            predicted += sum(len(model.predict(step).expected) for step in cell.steps)
    assert predicted > 100


@pytest.mark.parametrize("kernel", ["debian:6.1", "debian:6.12", "debian:7.2"])
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_shipped_cell_has_a_prediction_on_every_target(name: str, kernel: str) -> None:
    """Variants included: a size that does not suit their pages is bad input, found too late."""
    target = TARGETS[name]
    for scenario in all_scenarios():
        for cell in expand(scenario, {name: target}):
            fragments = (*target.kernel.fragments, *cell.config)
            facts = assumed_facts(parse_kernel_spec(kernel), fragments)
            model = Model(Machine(target, facts, cell.layout))
            if model.unsupported(cell.steps) is None:
                for step in cell.steps:
                    model.predict(step)


def test_page_size_of_an_architecture_that_has_several_is_not_guessed() -> None:
    known = Architectures.of(TARGETS.values())
    assert (known.only_page_size("s390x"), known.only_page_size("arm64")) == (4096, None)
    assert known.only_page_size(None) is None
    assert known.of_report("nothing that a CPU shows", "") is None
