"""What a used guest showed, in the light of what a new one did, where there was one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner, unbuilt
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Provider
from harness.progress import Silence
from harness.records import CellResult, Verdict
from harness.report.results import CellFolder
from harness.scenario.expand import expand
from harness.scenario.find import find_scenario
from harness.store import Store
from harness.target import load_targets

OK, MISMATCH = Verdict.OK, Verdict.MISMATCH
FAILURE, HOST = Verdict.KERNEL_FAILURE, Verdict.INFRASTRUCTURE


class Scripted(CellRunner):
    """Comes to these verdicts, one attempt after the other; only the first in a used guest."""

    verdicts: Iterator[Verdict]

    def _attempt(self, order: Order, folder: CellFolder, *, fresh: bool) -> CellResult:
        folder.console_log.write_text(f"fresh={fresh}")
        verdict = next(self.verdicts)
        result = unbuilt(order, "debian:6.1", verdict, f"{verdict} in {fresh=}")
        return replace(result, cells_before=() if fresh else ("another",))


def run(tmp_path: Path, *verdicts: Verdict) -> CellResult:
    (cell, *_) = expand(find_scenario("gup-anon"), {"s390x": load_targets()["s390x"]})
    provider = Provider(Store(tmp_path / "store"), "debian:6.1", Silence())
    runner = Scripted(provider, RunOptions(), tmp_path, GuestPool(0))
    runner.verdicts = iter(verdicts)
    result = runner.run(Order(cell))
    assert list(runner.verdicts) == []
    return result


@pytest.mark.parametrize(
    ("verdicts", "last", "note"),
    [
        ([FAILURE, OK], FAILURE, "a new one did not show it"),
        ([FAILURE, FAILURE], FAILURE, "and then in a new one"),
        ([FAILURE, HOST, OK], FAILURE, "a new one did not show it"),
        ([FAILURE, HOST, HOST], FAILURE, "a new one could not be asked: infrastructure in"),
        ([MISMATCH, OK], OK, "it was a mismatch: mismatch in"),
        ([MISMATCH, HOST, MISMATCH], MISMATCH, "and then in a new one"),
        ([MISMATCH, HOST, HOST], HOST, "it was a mismatch: mismatch in"),
        ([HOST, FAILURE], FAILURE, "the first try came to infrastructure"),
    ],
)
def test_no_trouble_of_the_host_takes_a_kernel_failure_away(
    tmp_path: Path, verdicts: list[Verdict], last: Verdict, note: str
) -> None:
    result = run(tmp_path, *verdicts)
    assert result.verdict is last
    assert note in result.note


@pytest.mark.parametrize(
    ("memory", "verdict", "reason"),
    [
        (512 << 20, HOST, "the guest wants 2G of memory, this host has 512M"),
        ((2 << 30) - 4096, HOST, "the guest wants 2G of memory, this host has 1G"),
        (2 << 30, OK, "ok in fresh=False"),
        (0, OK, "ok in fresh=False"),
    ],
)
def test_a_guest_that_is_larger_than_the_host_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, verdict: Verdict, reason: str
) -> None:
    monkeypatch.setattr("harness.campaign.cell.whole_memory", lambda: memory)
    result = run(tmp_path, *([OK] * (verdict is OK)))
    assert (result.verdict, result.reason, result.retried) == (verdict, reason, False)


def test_every_attempt_keeps_its_console(tmp_path: Path) -> None:
    run(tmp_path, FAILURE, HOST, HOST)
    (folder,) = (path for path in tmp_path.iterdir() if path.name != "store")
    consoles = {path.name: path.read_text() for path in folder.glob("console*")}
    assert consoles == {
        "console-attempt1.log": "fresh=False",
        "console-attempt2.log": "fresh=True",
        "console.log": "fresh=True",
    }
