"""A trial: what was drawn for it, what it does to a run, and what must come of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.judge import Expectation, complaints, read_cells
from tests.faults.run import Run
from tests.faults.workspace import Workspace

RUN_SECONDS = 400.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where trials happen: a target, and how long an undisturbed run took there.

    ``start_seconds`` pass before there is a QEMU, ``guest_seconds`` until the run's end.
    """

    target: str
    start_seconds: float = 3.0
    guest_seconds: float = 5.0


class WrongError(Exception):
    """Raised by what acts in a trial for something that must not be."""


def _nothing(_run: Run) -> None:
    """Harms nobody."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One harmed run. ``what`` tells a person what was drawn.

    ``prepare`` gets the workspace before the run and may add to its environment; ``act`` is
    called while the run goes on; ``cells`` must be in run.json afterwards, all of them.
    """

    what: str
    expected: Expectation
    act: Callable[[Run], None] = _nothing
    prepare: Callable[[Workspace], Mapping[str, str]] = lambda _workspace: {}
    scenario: str = "plain"
    results: str = "results"
    cells: int | None = 3
    arguments: tuple[str, ...] = ()
    before: Callable[[Workspace], tuple[str, ...]] = lambda _workspace: ()
    inside: Mapping[str, Any] = field(default_factory=dict)
    interrupted: bool = False


Kind = Callable[[random.Random, Surroundings], Trial]
"""Draws a trial; the same for the same state of the generator."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial; no complaints where all was as it must be."""

    kind: str
    what: str
    complaints: tuple[str, ...]
    verdicts: Mapping[str, int]
    seconds: float
    peak_mib: int
    output: str


def perform(kind: str, trial: Trial, surroundings: Surroundings) -> Outcome:
    """Run a trial, look at what it left, and clear all of it away."""
    workspace = Workspace()
    started = time.monotonic()
    try:
        environment = trial.prepare(workspace)
        with Run(
            workspace,
            surroundings.target,
            scenario=trial.scenario,
            arguments=("--results", str(workspace.path / trial.results), *trial.arguments),
            before=trial.before(workspace),
            environment=environment,
            inside=trial.inside,
        ) as run:
            wrong = list(_act(trial, run))
            wrong += complaints(
                run, trial.expected, cells=trial.cells, interrupted=trial.interrupted
            )
            return Outcome(
                kind=kind,
                what=trial.what,
                complaints=tuple(wrong),
                verdicts=_verdicts(run),
                seconds=time.monotonic() - started,
                peak_mib=run.peak_kib >> 10,
                output=run.output,
            )
    finally:
        workspace.remove()


def _act(trial: Trial, run: Run) -> Iterator[str]:
    try:
        trial.act(run)
    except WrongError as exc:
        yield str(exc)
    if run.wait_for_end(RUN_SECONDS):
        run.settle()
    else:
        yield f"the run has not ended after {RUN_SECONDS:.0f} s"


def _verdicts(run: Run) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    try:
        cells = read_cells(run)
    except ValueError:
        return counts
    for cell in cells.values():
        word = f"{cell['verdict']}{' (second try)' if cell['retried'] else ''}"
        counts[word] = counts.get(word, 0) + 1
    return counts
