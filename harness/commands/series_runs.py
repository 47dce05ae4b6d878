"""What ``daxhound series``, ``bisect`` and ``bisect-step`` do, once they are asked to."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner
from harness.campaign.culprit import Culprit, Trials, find_culprit
from harness.campaign.kept import KeptRunner
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Provider
from harness.campaign.series import SeriesRunner
from harness.errors import UserError
from harness.machine.process import orderly_termination
from harness.progress import Progress
from harness.records import Verdict
from harness.report.results import folder_name, new_run_directory
from harness.report.series_text import render_culprit
from harness.report.text import render_failure
from harness.scenario.expand import Cell
from harness.scenario.find import SCENARIOS_DIR, choose_cells, find_scenario
from harness.series import load_series
from harness.store import Store

# What git bisect run understands.
GOOD, BAD, SKIP = 0, 1, 125


def run_series(options: argparse.Namespace) -> int:
    """pytest with the same meaning; its exit code."""
    results = _results(options)
    series = options.series
    if series == "-":
        # pytest has a use of its own for standard input; its workers have none.
        series = str(results / "series.mbox")
        Path(series).write_bytes(sys.stdin.buffer.read())
    arguments = [str(SCENARIOS_DIR), f"--series={series}", f"--kernel={options.kernel}"]
    arguments += [f"--arch={name}" for name in options.arch or ["all"]]
    arguments += [f"--results={results}", f"--patience={options.patience}"]
    if options.per_patch:
        arguments += ["--per-patch"]
    if options.scenario:
        names = [find_scenario(name).name for name in options.scenario]
        arguments += ["-k", " or ".join(f"{name}[" for name in names)]
    if options.numprocesses:
        arguments += ["-n", options.numprocesses]
    return int(pytest.main(arguments))


def run_bisect(options: argparse.Namespace) -> int:
    """Follow every cell that the whole series breaks back to one patch."""
    trials = _read_trials(options)
    cells = choose_cells(options.arch, options.scenario)
    series = load_series(options.series, sys.stdin.buffer)
    found = 0
    with orderly_termination(), closing(GuestPool(2)) as pool:
        runner = SeriesRunner(KeptRunner(_runner(options, pool)), series)
        for cell in cells:
            culprit = find_culprit(runner, cell, trials)
            if culprit is None:
                print(f"{cell.id}: the series breaks nothing here", flush=True)
                continue
            found += 1
            print("\n".join(_tell(culprit, cell, runner)), flush=True)
    return BAD if found else GOOD


def _tell(culprit: Culprit, cell: Cell, runner: SeriesRunner) -> Iterator[str]:
    bad = culprit.contrasted.patched
    if bad.comparison is None:
        raise ValueError(f"{bad.id} was compared with nothing")
    yield from render_culprit(cell.id, culprit.suspects, bad.comparison)
    run_directory = runner.runner.runner.run_directory
    reproduce = f"daxhound bisect --series {runner.series.source} --scenario {cell.scenario}"
    yield render_failure(
        bad,
        folder=str(run_directory / folder_name(bad.id)),
        reproduce=f"{reproduce} --arch {cell.target.name}",
    )


def run_bisect_step(options: argparse.Namespace) -> int:
    """One kernel, judged for git bisect: 0 good, 1 bad, 125 where it cannot be judged."""
    trials = _read_trials(options)
    cells = choose_cells(options.arch, options.scenario)
    with orderly_termination(), closing(GuestPool()) as pool:
        runner = _runner(options, pool)
        judgements = {_judge(runner, cell, trials) for cell in cells}
    return next((code for code in (SKIP, BAD) if code in judgements), GOOD)


def _judge(runner: CellRunner, cell: Cell, trials: Trials) -> int:
    failures = 0
    for repeat in range(1, trials.runs + 1):
        result = runner.run(Order(cell, repeat=repeat))
        print(f"{result.id}: {result.verdict.value} {result.reason}", flush=True)
        if result.phase == "build" or result.verdict is Verdict.INFRASTRUCTURE:
            return SKIP
        failures += not result.is_expected
    return BAD if failures >= trials.needed else GOOD


def _read_trials(options: argparse.Namespace) -> Trials:
    if not 1 <= options.need <= options.runs:
        raise UserError(
            f"--need {options.need} of --runs {options.runs} can never be",
            hint=f"--need from 1 to {options.runs}",
        )
    return Trials(runs=options.runs, needed=options.need)


def _runner(options: argparse.Namespace, pool: GuestPool) -> CellRunner:
    provider = Provider(Store.default(), options.kernel, Progress())
    return CellRunner(provider, RunOptions(patience=options.patience), _results(options), pool)


def _results(options: argparse.Namespace) -> Path:
    if options.results is None:
        return new_run_directory(Path.cwd() / "results")
    options.results.mkdir(parents=True, exist_ok=True)
    return Path(options.results).resolve()
