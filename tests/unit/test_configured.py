"""Cells without a guest: a .config that was resolved, held against what must come of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Provider
from harness.errors import InfrastructureError, KernelFailure
from harness.progress import Silence
from harness.records import CellResult, Verdict
from harness.report.results import folder_name
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import load_scenarios
from harness.series.patch import Patch
from harness.store import Store
from harness.target import load_targets

TARGETS = load_targets()
SCENARIO = """\
scenario: gates
summary: device memory
steps:
  - kconfig: {ask: [pmem], symbols: [ZONE_DEVICE, MEMORY_FAILURE]}
"""


class Resolved(Provider):
    """Resolves every configuration to the same .config, or cannot."""

    def __init__(self, root: Path, found: str | Exception) -> None:
        super().__init__(Store(root / "store"), "debian:6.1", Silence())
        self.found = found
        self.root = root

    def configure(self, _cell: Cell, _patches: Sequence[Patch]) -> Path:
        if isinstance(self.found, Exception):
            raise self.found
        path = self.root / ".config"
        path.write_text(self.found)
        return path


def run(tmp_path: Path, found: str | Exception, target: str = "s390x") -> CellResult:
    path = tmp_path / "gates.yaml"
    path.write_text(SCENARIO)
    (cell,) = expand(load_scenarios(path)[0], {target: TARGETS[target]})
    runner = CellRunner(Resolved(tmp_path, found), RunOptions(), tmp_path, GuestPool(0))
    return runner.run(Order(cell))


def test_what_resolves_as_predicted_is_ok_and_leaves_its_story(tmp_path: Path) -> None:
    result = run(tmp_path, "CONFIG_MEMCG=y\n# CONFIG_ZONE_DEVICE is not set\n")
    assert (result.verdict, result.compared, result.phase) == (Verdict.OK, 2, "configuration")
    folder = tmp_path / folder_name(result.id)
    (step,) = (folder / "steps.jsonl").read_text().splitlines()
    assert json.loads(step)["observation"] == {"ZONE_DEVICE": "n", "MEMORY_FAILURE": "n"}
    assert "CONFIG_MEMCG=y" in (folder / "config").read_text()


@pytest.mark.parametrize(
    ("target", "dotconfig", "said"),
    [
        ("s390x", "CONFIG_ZONE_DEVICE=y\n", "kconfig: ZONE_DEVICE is 'y', expected == 'n'"),
        ("arm64", "CONFIG_MEMORY_FAILURE=y\n", "kconfig: ZONE_DEVICE is 'n', expected == 'y'"),
    ],
)
def test_a_gate_that_is_open_or_shut_by_mistake_is_a_mismatch(
    tmp_path: Path, target: str, dotconfig: str, said: str
) -> None:
    result = run(tmp_path, dotconfig, target)
    assert (result.verdict, result.reason) == (Verdict.MISMATCH, said)


@pytest.mark.parametrize(
    ("trouble", "verdict"),
    [
        (InfrastructureError("no flex"), Verdict.INFRASTRUCTURE),
        (KernelFailure("Kconfig:3: syntax error"), Verdict.KERNEL_FAILURE),
    ],
)
def test_whose_fault_it_is_that_nothing_resolves(
    tmp_path: Path, trouble: Exception, verdict: Verdict
) -> None:
    result = run(tmp_path, trouble)
    assert (result.verdict, result.reason) == (verdict, str(trouble))
