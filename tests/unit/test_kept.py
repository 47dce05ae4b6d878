"""Results that stand: taken from the store where nothing that they depend on has changed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign import kept
from harness.campaign.attempt import RunOptions
from harness.campaign.kept import KeptRunner
from harness.campaign.order import Order, Prefix
from harness.campaign.pool import GuestPool
from harness.errors import InfrastructureError, KernelFailure
from harness.plugin.settings import Settings
from harness.records import (
    CellResult,
    CommandRecord,
    Expected,
    KernelReport,
    Mismatch,
    Observation,
    PatchLabel,
    Prediction,
    Rule,
    StepResult,
    Verdict,
)
from harness.report.results import CellFolder
from harness.scenario.expand import Cell, expand
from harness.scenario.find import find_scenario
from harness.series.patch import Series
from harness.store import Store
from harness.target import load_targets

EXPECTED = Expected("size", 4096, Rule("a.rule", "a statement", "a source"))
OBSERVATION = Observation(
    "probe",
    {"size": 8192, "ok": True, "name": "x", "nothing": None},
    (CommandRecord("ls", 1, "out", "\x1b[31m", 0.5),),
)
STEP = StepResult(
    "probe", OBSERVATION, Prediction("probe", (EXPECTED,)), (Mismatch("probe", EXPECTED, 8192),)
)
REPORT = KernelReport("oops", "oops in f", "f", "fatal", 3, 9, "0123", "text\n")
FAILED = CellResult(
    "", "s", "t", "6.1.192", Verdict.KERNEL_FAILURE, "why", 2.0, 1.0, (STEP,), REPORT, phase="x"
)


@dataclass
class Runner:
    """Runs nothing: gives one result, and writes what a run would write."""

    provider: Any
    run_directory: Path
    result: CellResult = FAILED
    options: RunOptions = field(default_factory=RunOptions)
    runs: int = 0
    begun: threading.Barrier | None = None

    def run(self, order: Order) -> CellResult:
        self.runs += 1
        if self.begun is not None:
            with suppress(threading.BrokenBarrierError):
                self.begun.wait()
        CellFolder(self.run_directory, order.id).write("console.log", f"run {self.runs}")
        label = order.prefix.label if order.prefix else None
        return replace(self.result, id=order.id, patch=label)


def provider(store: Store, kernel: str = "key") -> Any:
    files = Path("/store/kernel", kernel, "Image"), Path("/store/guest-image/one/base.cpio")
    provisions = SimpleNamespace(files=files)
    return SimpleNamespace(store=store, provide=lambda *_: provisions)


@pytest.fixture(autouse=True)
def emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "find_emulator", lambda _: SimpleNamespace(banner="QEMU 10.0.2"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def cell() -> Cell:
    targets = {"s390x": load_targets()["s390x"]}
    return next(iter(expand(find_scenario("gup-anon"), targets)))


def order(cell: Cell, position: int = 0, repeat: int = 1) -> Order:
    return Order(cell, Prefix(PatchLabel(position, "a change"), ()), repeat)


def test_another_run_gets_the_result_and_its_files(
    store: Store, cell: Cell, tmp_path: Path
) -> None:
    first = Runner(provider(store), tmp_path / "first")
    second = Runner(provider(store), tmp_path / "second")
    made = KeptRunner(first).run(order(cell))  # type: ignore[arg-type]
    found = KeptRunner(second).run(order(cell))  # type: ignore[arg-type]
    assert (first.runs, second.runs) == (1, 0)
    assert found == made
    (folder,) = (tmp_path / "second").iterdir()
    assert (folder / "console.log").read_text() == "run 1"


def test_a_kernel_met_again_elsewhere_in_a_series_has_its_result(
    store: Store, cell: Cell, tmp_path: Path
) -> None:
    """A patch and its revert make the base's kernel, and the label is the asker's."""
    runner = Runner(provider(store), tmp_path / "run")
    kept_runner = KeptRunner(runner)  # type: ignore[arg-type]
    kept_runner.run(order(cell))
    found = kept_runner.run(order(cell, position=2))
    assert runner.runs == 1
    assert found.patch == PatchLabel(2, "a change")
    assert found.id.endswith("@02")


def test_a_store_that_takes_nothing_more_costs_no_verdict(
    store: Store, cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise InfrastructureError("no space left")

    runner = Runner(provider(store), tmp_path / "run")
    monkeypatch.setattr(store, "provide", full)
    result = KeptRunner(runner).run(order(cell))  # type: ignore[arg-type]
    assert result.verdict is Verdict.KERNEL_FAILURE


def test_files_of_an_earlier_run_are_not_taken_for_the_results(
    store: Store, cell: Cell, tmp_path: Path
) -> None:
    runner = Runner(provider(store), tmp_path / "run")
    kept_runner = KeptRunner(runner)  # type: ignore[arg-type]
    kept_runner.run(order(cell))
    (folder,) = (tmp_path / "run").iterdir()
    (folder / "console-attempt1.log").write_text("of a run that was killed")
    kept_runner.run(order(cell))
    assert runner.runs == 1
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["console.log", "result.json", "steps.jsonl"]
    )


def test_two_workers_run_a_kernel_of_a_cell_once(store: Store, cell: Cell, tmp_path: Path) -> None:
    """Both want it at once, as neighbours of a run per patch do; it has one folder."""
    runner = Runner(provider(store), tmp_path / "run", begun=threading.Barrier(2, timeout=0.5))
    kept_runner = KeptRunner(runner)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as both:
        results = list(both.map(lambda _: kept_runner.run(order(cell)), range(2)))
    assert runner.runs == 1
    assert results[0] == results[1]


@pytest.mark.parametrize("what", ["kernel", "options", "repeat", "cell"])
def test_whatever_a_result_depends_on_makes_it_another(
    store: Store, cell: Cell, tmp_path: Path, what: str
) -> None:
    runner = Runner(provider(store), tmp_path / "run")
    KeptRunner(runner).run(order(cell))  # type: ignore[arg-type]
    asked = order(cell)
    match what:
        case "kernel":
            runner.provider = provider(store, "another")
        case "options":
            runner.options = RunOptions(transport="ssh")
        case "repeat":
            asked = order(cell, repeat=2)
        case "cell":
            asked = order(replace(cell, steps=cell.steps * 2))
    KeptRunner(runner).run(asked)  # type: ignore[arg-type]
    assert runner.runs == 2


def test_the_hosts_trouble_is_not_kept(store: Store, cell: Cell, tmp_path: Path) -> None:
    trouble = replace(FAILED, verdict=Verdict.INFRASTRUCTURE)
    runner = Runner(provider(store), tmp_path / "run", result=trouble)
    for _ in range(2):
        KeptRunner(runner).run(order(cell))  # type: ignore[arg-type]
    assert runner.runs == 2


def test_a_fresh_run_takes_and_keeps_nothing(store: Store, cell: Cell, tmp_path: Path) -> None:
    runner = Runner(provider(store), tmp_path / "run")
    for _ in range(2):
        KeptRunner(runner, fresh=True).run(order(cell))  # type: ignore[arg-type]
    KeptRunner(runner).run(order(cell))  # type: ignore[arg-type]
    assert runner.runs == 3


@pytest.mark.parametrize(("timings", "fresh"), [(0, False), (12, True)])
def test_times_are_taken_in_turns_and_not_from_an_earlier_run(
    store: Store, tmp_path: Path, timings: int, fresh: bool
) -> None:
    """The host of yesterday was another: a base's times from then say nothing of the patches."""
    options = {"--timings": timings, "--fresh": False, "--transport": "serial", "--patience": 1.0}
    config: Any = SimpleNamespace(getoption=options.get)
    settings = Settings(config, {}, {}, (), Series("v7", 7, (), "v7.mbox"))
    settings.run_directory = tmp_path
    runner = settings._runner_of(provider(store), GuestPool(0))
    assert isinstance(runner, KeptRunner)
    assert runner.fresh is fresh


def test_a_kernel_that_does_not_build_is_tried_anew(
    store: Store, cell: Cell, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise KernelFailure("x.c:1: error")

    runner = Runner(SimpleNamespace(store=store, provide=refuse), tmp_path / "run")
    for _ in range(2):
        KeptRunner(runner).run(order(cell))  # type: ignore[arg-type]
    assert runner.runs == 2
