"""Known defects on guests: what a kernel with one says, and who is blamed for it.

arm64 takes struct pages of whole sections from the altmap by the PMD and those of a part
of one by the page; the altmap is sized for all of them, but not for what aligning the first
PMD costs. The end of the namespace then finds nothing left, and memunmap_pages warns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Needs, Provider, Provisions
from harness.records import CellResult, Scalar, Verdict
from harness.scenario.expand import Cell, expand
from harness.scenario.find import find_scenario
from harness.target import load_targets

pytestmark = pytest.mark.guest

ARM64 = load_targets()["arm64"]


class Believing(Provider):
    """Provides kernels and says of their source what it is told to say."""

    probes: Mapping[str, Scalar]

    def provide(self, needs: Needs) -> Provisions:
        found = super().provide(needs)
        facts = replace(found.kernel.facts, probes={**found.kernel.facts.probes, **self.probes})
        return replace(found, kernel=replace(found.kernel, facts=facts))


def run(provider: Provider, folder: Path, cell: Cell, **probes: Scalar) -> CellResult:
    believing = Believing(provider.store, str(provider.spec), provider.progress)
    believing.probes = probes
    return CellRunner(believing, RunOptions(), folder, GuestPool(0)).run(Order(cell))


@pytest.fixture
def cell() -> Cell:
    return next(iter(expand(find_scenario("model-altmap"), {"arm64": ARM64})))


def test_what_a_known_defect_says_is_as_expected(
    provider: Provider, tmp_path: Path, cell: Cell
) -> None:
    result = run(provider, tmp_path, cell)
    assert result.verdict is Verdict.OK, result.reason
    assert [rule.id for rule in result.known_defects] == ["defect.altmap-exhausted"]
    assert result.report is not None
    assert "failed to free all reserved pages" in result.report.title


def test_nobody_expects_it_of_a_kernel_that_should_be_without(
    provider: Provider, tmp_path: Path, cell: Cell
) -> None:
    result = run(provider, tmp_path, cell, arm64_parts_from_ram=True)
    assert result.verdict is Verdict.KERNEL_FAILURE
    assert result.known_defects == ()
