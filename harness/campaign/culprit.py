"""Which patch of a series did it: a cell that regressed, followed back to its first kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from harness.campaign.bisect import Bisection, Judgement, bisect
from harness.campaign.order import prefix
from harness.campaign.series import Contrasted, SeriesRunner
from harness.errors import InfrastructureError
from harness.records import CellResult, PatchLabel, Verdict
from harness.scenario.expand import Cell


@dataclass(frozen=True, slots=True)
class Trials:
    """A kernel is bad where at least ``needed`` of ``runs`` guests show it."""

    runs: int = 1
    needed: int = 1


@dataclass(frozen=True, slots=True)
class Culprit:
    """One cell that a series broke: ``suspects`` is one patch, unless some had to be skipped.

    ``contrasted`` holds the last good kernel's result against the first bad one's.
    """

    suspects: tuple[PatchLabel, ...]
    bisection: Bisection
    contrasted: Contrasted


def find_culprit(runner: SeriesRunner, cell: Cell, trials: Trials) -> Culprit | None:
    """The patch that broke a cell; None where the whole series leaves it as it was.

    Where the whole series does not build, it is the patch that broke the build. Raises
    InfrastructureError where the ends of the series cannot be judged.
    """
    tip = len(runner.series.patches)
    seen = runner.run(cell, 0, tip)
    judge = _by_build if seen.patched.phase == "build" else judge_by(trials)
    ends = [_judge(runner, cell, position, judge) for position in (0, tip)]
    if Judgement.SKIP in ends:
        unjudged = seen.base if ends[0] is Judgement.SKIP else seen.patched
        raise InfrastructureError(f"{unjudged.id} cannot be judged: {unjudged.reason}")
    if ends != [Judgement.GOOD, Judgement.BAD]:
        return None
    found = bisect(0, tip, lambda position: _judge(runner, cell, position, judge))
    return Culprit(
        suspects=tuple(prefix(runner.series, p).label for p in found.suspects),
        bisection=found,
        contrasted=runner.run(cell, found.good, found.bad),
    )


# Judges one kernel by runs of a cell on it, asked for by their number from 1.
Judge: TypeAlias = Callable[[Callable[[int], CellResult]], Judgement]


def judge_by(trials: Trials) -> Judge:
    """Bad where enough runs fail, good where not enough can any more, as soon as that is sure.

    A kernel that does not build, and one that the host's trouble leaves undecided, is skipped.
    """

    def judge(run: Callable[[int], CellResult]) -> Judgement:
        good = bad = 0
        for repeat in range(1, trials.runs + 1):
            result = run(repeat)
            if result.phase == "build":
                return Judgement.SKIP
            if result.verdict is not Verdict.INFRASTRUCTURE:
                good, bad = good + result.is_expected, bad + (not result.is_expected)
            if bad >= trials.needed:
                return Judgement.BAD
            if good > trials.runs - trials.needed:
                return Judgement.GOOD
        return Judgement.SKIP

    return judge


def _judge(runner: SeriesRunner, cell: Cell, position: int, judge: Judge) -> Judgement:
    return judge(lambda repeat: runner.once(runner.order(cell, position, repeat)))


def _by_build(run: Callable[[int], CellResult]) -> Judgement:
    result = run(1)
    if result.verdict is Verdict.INFRASTRUCTURE:
        return Judgement.SKIP
    return Judgement.BAD if result.phase == "build" else Judgement.GOOD
