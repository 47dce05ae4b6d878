"""A test of ndctl's that skips: told apart from one that passes, and from one that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign.attempt import Attempt, RunOptions
from harness.deadline import Deadline
from harness.records import CommandRecord, Verdict
from harness.report.results import CellFolder
from harness.scenario.expand import Cell, expand
from harness.scenario.find import SCENARIOS_DIR
from harness.scenario.schema import load_scenarios
from harness.target import load_targets
from tests.support.provisions import provisions_in

MODULAR = {"MODULES": "y", "LIBNVDIMM": "m", "ACPI_NFIT": "m"}


def cell(test: str) -> Cell:
    targets = {"x86_64": load_targets()["x86_64"]}
    suite, _ = load_scenarios(SCENARIOS_DIR / "ndctl-suite.yaml")
    cells = expand(suite, targets, ("nfit-test",))
    return next(cell for cell in cells if dict(cell.parameters) == {"test": test})


class Guest:
    """In a guest's place: a shell in which every test ends alike, and a quiet console."""

    def __init__(self, status: int, output: str) -> None:
        self.said = f"@@daxhound result\nstatus={status}\n@@daxhound output\n{output}\n"
        self.shell = self
        self.watch = SimpleNamespace(check=lambda: None)
        self.scripts: list[str] = []

    def run(self, command: str, _: Deadline) -> CommandRecord:
        self.scripts.append(command)
        return CommandRecord(command, 0, self.said, "", 0.1)


def judge(
    tmp_path: Path, test: str, guest: Guest, config: Mapping[str, str] = MODULAR
) -> tuple[Verdict, str]:
    provisions = provisions_in(tmp_path)
    facts = replace(provisions.kernel.facts, config=config)
    provisions = replace(provisions, kernel=replace(provisions.kernel, facts=facts))
    folder = CellFolder(tmp_path, "a.yaml::a[x86_64]")
    attempt = Attempt(cell(test), provisions, RunOptions(), folder, tmp_path)
    played: Any = guest
    verdict, reason, _ = attempt._run_steps(played)
    return verdict, reason


def test_a_test_that_passes_is_ok(tmp_path: Path) -> None:
    guest = Guest(0, "")
    assert judge(tmp_path, "create.sh", guest) == (Verdict.OK, "")
    assert any("name=create.sh" in script for script in guest.scripts)


def test_a_test_that_skips_as_foretold_is_unsupported(tmp_path: Path) -> None:
    verdict, reason = judge(
        tmp_path, "daxctl-create.sh", Guest(77, "Unable to find a victim region")
    )
    assert verdict is Verdict.UNSUPPORTED
    assert reason.startswith("daxctl-create.sh: this kernel's cxl_test has no memory")


@pytest.mark.parametrize(
    ("test", "status", "output", "said"),
    [
        ("create.sh", 1, "test/create.sh: failed at line 45", "create.sh failed with status 1: "),
        ("create.sh", 77, "kernel 6.1.192: missing jq, skipping...", "outcome is 'skip'"),
        ("daxctl-create.sh", 0, "", "outcome is 'pass'"),
        ("daxctl-create.sh", 77, "missing jq", "reason is 'missing jq'"),
    ],
)
def test_what_was_not_foretold_is_a_mismatch(
    tmp_path: Path, test: str, status: int, output: str, said: str
) -> None:
    verdict, reason = judge(tmp_path, test, Guest(status, output))
    assert verdict is Verdict.MISMATCH
    assert said in reason


def test_an_ordinary_kernel_is_asked_for_its_regions_alone(tmp_path: Path) -> None:
    guest = Guest(0, "")
    judge(tmp_path, "create.sh", guest, {"LIBNVDIMM": "y", "ACPI_NFIT": "y"})
    assert not any("ndctl-suite" in script for script in guest.scripts)
