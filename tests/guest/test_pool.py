"""One guest for several cells: shared where it is as good as new, and given up where not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.guest.steps import Housekeeping
from harness.records import CellResult, Verdict
from harness.report.results import folder_name
from harness.scenario.expand import Cell, expand
from harness.scenario.find import find_scenario
from harness.target import load_targets

pytestmark = pytest.mark.guest

TARGET = load_targets()["ppc64-radix"]


@pytest.fixture
def pool() -> Iterator[GuestPool]:
    with closing(GuestPool()) as guests:
        yield guests


def cells_of(scenario: str, count: int) -> list[Cell]:
    return list(expand(find_scenario(scenario), {TARGET.name: TARGET}))[:count]


def told(path: Path, result: CellResult) -> list[str]:
    """The cells that ran before in the same guest, as the result's folder has them."""
    text = (path / folder_name(result.id) / "qemu.json").read_text()
    before: list[str] = json.loads(text)["cells_before"]
    return before


def test_cells_of_one_layout_share_a_guest(
    provider: Provider, pool: GuestPool, tmp_path: Path
) -> None:
    runner = CellRunner(provider, RunOptions(), tmp_path, pool)
    cells = cells_of("devdax-map-mem", 2)
    results = [runner.run(Order(cell)) for cell in cells]
    assert [result.verdict for result in results] == [Verdict.OK, Verdict.OK]
    assert [told(tmp_path, result) for result in results] == [[], [cells[0].id]]
    logs = [tmp_path / folder_name(result.id) / "console.log" for result in results]
    assert b"Linux version" in logs[0].read_bytes()
    assert b"Linux version" not in logs[1].read_bytes()
    # Each cell's own values are there, whoever ran before it in the guest.
    assert results[0].compared == results[1].compared


def test_another_layout_gets_another_guest(
    provider: Provider, pool: GuestPool, tmp_path: Path
) -> None:
    runner = CellRunner(provider, RunOptions(), tmp_path, pool)
    (first,) = cells_of("devdax-map-mem", 1)
    (other,) = cells_of("gup-anon", 1)
    assert first.layout != other.layout
    assert [told(tmp_path, runner.run(Order(cell))) for cell in (first, other)] == [[], []]


def test_a_guest_that_no_cell_waits_for_is_ended(
    provider: Provider, pool: GuestPool, tmp_path: Path
) -> None:
    runner = CellRunner(provider, RunOptions(), tmp_path, pool)
    first, second = cells_of("devdax-map-mem", 2)
    runner.run(Order(first, followed=False))
    assert not pool._idle
    assert told(tmp_path, runner.run(Order(second))) == []


def test_what_a_cell_leaves_is_seen(provider: Provider, pool: GuestPool, tmp_path: Path) -> None:
    """Not by taking it away: what can be taken away is no reason to give a guest up."""
    (cell,) = cells_of("devdax-map-mem", 1)
    runner = CellRunner(provider, RunOptions(), tmp_path, pool)
    runner.run(Order(cell))
    ((_, pooled),) = pool._idle
    shell = pooled.guest.shell
    deadline = Deadline.after(60)
    housekeeping = Housekeeping(shell, deadline)
    create = "ndctl create-namespace --mode=devdax --map=dev --region=region0 >/dev/null"
    assert shell.run(create, deadline).status == 0
    assert housekeeping.tidy(deadline) is None
    shell.run("dd if=/dev/zero of=/root.ballast bs=1M count=100 2>/dev/null", deadline)
    assert "bytes of memory were available" in str(housekeeping.tidy(deadline))


def test_a_failure_of_the_used_guest_alone_is_no_finding(
    provider: Provider, pool: GuestPool, tmp_path: Path
) -> None:
    """Huge pages switched off behind the harness' back, as no cell may leave them."""
    runner = CellRunner(provider, RunOptions(), tmp_path, pool)
    (anon,) = cells_of("gup-anon", 1)
    (thp,) = cells_of("gup-thp", 1)
    assert anon.layout == thp.layout
    runner.run(Order(anon))
    ((_, pooled),) = pool._idle
    off = "echo never >/sys/kernel/mm/transparent_hugepage/enabled"
    assert pooled.guest.shell.run(off, Deadline.after(60)).status == 0
    result = runner.run(Order(thp))
    assert result.verdict is Verdict.OK
    assert "after 1 other cell in one guest it was a mismatch" in result.note
    assert (tmp_path / folder_name(result.id) / "steps-attempt1.jsonl").exists()


def test_a_guest_that_was_switched_off_is_not_handed_on(
    provider: Provider, pool: GuestPool, tmp_path: Path
) -> None:
    (cell,) = cells_of("step-power-cycle", 1)
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        result = CellRunner(provider, RunOptions(), folder, pool).run(Order(cell))
        assert result.verdict is Verdict.OK
        assert told(folder, result) == []
        log = (folder / folder_name(result.id) / "console.log").read_bytes()
        assert log.count(b"Linux version") == 2
        assert log.index(b"Linux version") < log.index(b"daxhound: power cut")
