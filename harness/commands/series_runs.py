"""What ``daxhound series``, ``bisect`` and ``bisect-step`` do, once they are asked to."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.bisect import Judgement
from harness.campaign.cell import CellRunner
from harness.campaign.culprit import Culprit, Trials, find_culprit, judge_by
from harness.campaign.kept import KeptRunner
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Provider
from harness.campaign.series import SeriesRunner
from harness.commands.bisect_record import BisectRecord, render_log
from harness.commands.named import chosen_cells
from harness.commands.provider import provider_of
from harness.deadline import check_patience
from harness.errors import InfrastructureError, UserError
from harness.git import find_bisected_from
from harness.kernel.fragments import select_fragments
from harness.kernel.spec import DirectorySpec, GitSpec, KernelSpec, parse_kernel_spec
from harness.machine.termination import orderly_termination
from harness.records import CellResult
from harness.report.results import folder_name, open_run_directory
from harness.report.run_file import RunFile
from harness.report.series_text import render_comparison, render_culprit, render_lost
from harness.report.text import render_failure
from harness.scenario.expand import Cell
from harness.scenario.find import SCENARIOS_DIR, in_pytests_words, word_for
from harness.scenario.steps import STEPS
from harness.series.intended import load_intentions
from harness.series.load import load_series
from harness.series.patch import Series
from harness.shipped import typed
from harness.stand_ins import StandIns

# What git bisect run understands; a bisection of our own has no use for skipping.
GOOD, BAD, SKIP = 0, 1, 125
_HARMLESS = "the series breaks nothing here"


def run_series(options: argparse.Namespace) -> int:
    """pytest with the same meaning; its exit code."""
    check_patience(options.patience)
    chosen = _chosen(options)
    series, results = options.series, options.results
    if series == "-":
        results = _results(options)
        # pytest has a use of its own for standard input; its workers have none.
        series = str(results / "series.mbox")
        Path(series).write_bytes(sys.stdin.buffer.read())
    # The scenarios are no Python, and daxhound itself is imported already.
    arguments = ["--assert=plain", *chosen, f"--series={series}", f"--kernel={options.kernel}"]
    arguments += [f"--arch={name}" for name in options.arch or ["all"]]
    arguments += [f"--config={name}" for name in options.config]
    arguments += StandIns.of(options).arguments
    arguments += [f"--patience={options.patience}"]
    arguments += ["--per-patch"] * options.per_patch + ["--fresh"] * options.fresh
    passed_on = {"expect": options.expect, "timings": options.timings, "guests": options.guests}
    passed_on["results"] = results
    arguments += [f"--{name}={value}" for name, value in passed_on.items() if value is not None]
    return int(pytest.main(arguments))


def _chosen(options: argparse.Namespace) -> tuple[str, ...]:
    """The scenarios as pytest names them; it takes an error for a name without a cell."""
    if not options.scenario:
        return (str(SCENARIOS_DIR),)
    return in_pytests_words(chosen_cells(options, StandIns.of(options)))


def run_bisect(options: argparse.Namespace) -> int:
    """Follow every cell that the whole series breaks back to one patch.

    A cell that is left unjudged, by the host's trouble or by a base that does not build, is told,
    and the others are gone on with.
    """
    trials, config = _read_trials(options), select_fragments(options.config)
    cells = chosen_cells(options, StandIns.of(options))
    series = load_series(options.series, sys.stdin.buffer)
    intentions = load_intentions(series, STEPS, options.expect)
    untimed = tuple(intention for intention in intentions if not intention.needs_timings)
    for note in series.notes:
        print(f"series: {note}", flush=True)
    provider = provider_of(options)
    provider.check(series.patches)
    codes = set()
    with orderly_termination(), closing(GuestPool(2)) as pool:
        each = _runner(options, provider, pool)
        kernel = {"kernel": each.provider.kernel_name, "config": list(config)}
        run_file = RunFile(each.run_directory, {**kernel, "series": series.to_json()})
        record = BisectRecord(KeptRunner(each), run_file, partial(_again, options))
        runner = SeriesRunner(record, series, intentions=untimed)
        for cell in cells:
            try:
                culprit = find_culprit(runner, cell, trials)
                whole = record.compare(runner, cell, culprit)
            except (InfrastructureError, UserError) as exc:
                print(f"{cell.id}: not judged: {exc}", flush=True)
                codes.add(exc.exit_code)
                continue
            told = _tell(culprit, cell, series, each, options) if culprit else _tell_missing(whole)
            lines = list(told)
            codes.add(BAD if lines else GOOD)
            print("\n".join(lines or [f"{cell.id}: {_HARMLESS}"]), flush=True)
        run_file.finish()
    print(f"results: {each.run_directory}")
    worst = (BAD, UserError.exit_code, InfrastructureError.exit_code)
    return next((code for code in worst if code in codes), GOOD)


def _tell(
    culprit: Culprit, cell: Cell, series: Series, runner: CellRunner, options: argparse.Namespace
) -> Iterator[str]:
    bad = culprit.contrasted.patched
    if bad.comparison is None:
        raise ValueError(f"{bad.id} was compared with nothing")
    yield from render_culprit(cell.id, culprit.suspects, bad.comparison)
    yield from render_log(culprit, len(series.patches))
    folder = str(runner.run_directory / folder_name(bad.run_id))
    yield render_failure(bad, folder=folder, reproduce=_again(options, cell))


def _tell_missing(whole: CellResult) -> Iterator[str]:
    """Of a series that breaks nothing: that what it was to change stays as it was."""
    comparison = whole.comparison
    if comparison is not None and not all(found.met for found in comparison.intended):
        yield f"{whole.id}: no patch breaks it, and it does not change as it was to:"
        yield from (f"  {line}" for line in render_comparison(comparison, whole.patch))


def _again(options: argparse.Namespace, cell: Cell) -> str:
    """The command that follows one cell again."""
    words = ["daxhound", "bisect", "--series", options.series, "--kernel", options.kernel]
    words += ["--scenario", word_for(cell), "--arch", cell.target.name]
    words += [f"--config={name}" for name in options.config]
    words += [f"--expect={options.expect}"] if options.expect else []
    words += StandIns.of(options).arguments
    given = ("runs", options.runs, 1), ("need", options.need, 1), ("patience", options.patience, 1)
    words += [f"--{name}={value}" for name, value, default in given if value != default]
    return shlex.join(words)


def run_bisect_step(options: argparse.Namespace) -> int:
    """One kernel, judged for git bisect: 0 good, 1 bad, 125 where it cannot be judged.

    One cell that shows it is enough. Raises UserError for options that cannot be meant, a tree
    that is none included; a kernel that cannot be had of it is none that can be judged.
    """
    judge = judge_by(_read_trials(options))
    cells = chosen_cells(options, StandIns.of(options))
    provider = provider_of(options, _known_good(options.kernel))
    provider.check()
    skipped = False
    with orderly_termination(), closing(GuestPool()) as pool:
        runner = _runner(options, provider, pool)
        for cell in cells:
            try:
                found = judge(partial(_run_aloud, runner, cell)).judgement
            except UserError as exc:
                print(f"{cell.id}: {exc}", flush=True)
                found = Judgement.SKIP
            if found is Judgement.BAD:
                return BAD
            skipped |= found is Judgement.SKIP
    return SKIP if skipped else GOOD


def _run_aloud(runner: CellRunner, cell: Cell, repeat: int) -> CellResult:
    result = runner.run(Order(cell, repeat=repeat))
    print(f"{result.id}: {result.verdict.value} {result.reason}", flush=True)
    for line in render_lost(result.lost):
        print(line, flush=True)
    return result


def _known_good(kernel: str) -> KernelSpec | None:
    """What a bisection that is under way in the tree started from; None without one."""
    spec = parse_kernel_spec(kernel)
    commit = find_bisected_from(typed(spec.path)) if isinstance(spec, DirectorySpec) else None
    return GitSpec(spec.path, commit) if isinstance(spec, DirectorySpec) and commit else None


def _read_trials(options: argparse.Namespace) -> Trials:
    check_patience(options.patience)
    if options.runs < 1:
        raise UserError(f"--runs {options.runs}: no guest could run", hint="--runs 1, or more")
    if not 1 <= options.need <= options.runs:
        raise UserError(
            f"--need {options.need} of --runs {options.runs} can never be",
            hint=f"--need from 1 to {options.runs}",
        )
    return Trials(runs=options.runs, needed=options.need)


def _runner(options: argparse.Namespace, provider: Provider, pool: GuestPool) -> CellRunner:
    run_options = RunOptions(patience=options.patience)
    return CellRunner(provider, run_options, _results(options), pool)


def _results(options: argparse.Namespace) -> Path:
    return open_run_directory(options.results, Path.cwd() / "results")
