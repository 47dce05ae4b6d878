"""Which patch of a series did it: a cell that regressed, followed back to its first kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from harness.campaign.bisect import Bisection, Judgement, bisect
from harness.campaign.order import prefix
from harness.campaign.series import Contrasted, SeriesRunner
from harness.contrast import contrast
from harness.errors import InfrastructureError, UserError
from harness.records import CellResult, PatchLabel, Verdict, Word
from harness.scenario.expand import Cell

# What a series does to a cell that is to be followed, beside breaking its build.
_WORSE = (Word.REGRESSED, Word.CHANGED)


@dataclass(frozen=True, slots=True)
class Trials:
    """A kernel is bad where at least ``needed`` of ``runs`` guests show it."""

    runs: int = 1
    needed: int = 1


@dataclass(frozen=True, slots=True)
class Culprit:
    """One cell that a series broke: ``suspects`` is one patch, unless some had to be skipped.

    ``contrasted`` holds the last good kernel's result against the first bad one's. ``shown`` is
    the run of each kernel, by how many patches it has, that shows what it was judged to be.
    """

    suspects: tuple[PatchLabel, ...]
    bisection: Bisection
    contrasted: Contrasted
    shown: Mapping[int, CellResult]


def find_culprit(runner: SeriesRunner, cell: Cell, trials: Trials) -> Culprit | None:
    """The patch that broke a cell; None where the whole series leaves it as it was.

    Where the whole series does not build, it is the patch that broke the build; where the cell
    fails before and after, and otherwise after, the one that changed it. Raises UserError for a
    base that does not build, InfrastructureError where the ends of the series cannot be judged.
    """
    tip = len(runner.series.patches)
    seen = runner.run(cell, 0, tip)
    if not seen.base.built and seen.base.verdict is Verdict.KERNEL_FAILURE:
        raise UserError(
            f"{seen.base.id}: the base does not build: nothing to bisect from\n{seen.base.reason}",
            hint="--kernel with a base that builds as it is configured here",
        )
    for judge in _judges(seen, trials):
        search = _Search(runner, cell, judge)
        ends = [search.judge(position) for position in (0, tip)]
        if Judgement.SKIP in ends:
            unjudged = seen.base if ends[0] is Judgement.SKIP else seen.patched
            raise InfrastructureError(f"{unjudged.id} cannot be judged: {unjudged.reason}")
        if ends == [Judgement.GOOD, Judgement.BAD]:
            return search.run(tip)
    return None


class _Search:
    """One cell's kernels, judged as they are asked for."""

    def __init__(self, runner: SeriesRunner, cell: Cell, judge: Judge) -> None:
        self._runner = runner
        self._cell = cell
        self._judge = judge
        self._shown: dict[int, CellResult] = {}

    def judge(self, position: int) -> Judgement:
        """What the kernel with so many patches is; how it shows that is kept."""
        judged = self._judge(partial(self._runner.repeat, self._cell, position))
        self._shown[position] = judged.shown
        return judged.judgement

    def run(self, tip: int) -> Culprit:
        """The culprit, between the base and ``tip`` patches; both are judged already."""
        found = bisect(0, tip, self.judge)
        good, bad = ((position, self._shown[position]) for position in (found.good, found.bad))
        return Culprit(
            suspects=tuple(prefix(self._runner.series, p).label for p in found.suspects),
            bisection=found,
            contrasted=self._runner.hold(self._cell, good, bad),
            shown=self._shown,
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """What a kernel is, and the first of its runs that shows it."""

    judgement: Judgement
    shown: CellResult


# Judges one kernel by runs of a cell on it, asked for by their number from 1.
Judge: TypeAlias = Callable[[Callable[[int], CellResult]], Judged]


def judge_by(
    trials: Trials, fails: Callable[[CellResult], bool] = lambda run: not run.is_expected
) -> Judge:
    """Bad where enough runs fail, good where not enough can any more, as soon as that is sure.

    A kernel that does not build, and one that the host's trouble leaves undecided, is skipped.
    """

    def judge(run: Callable[[int], CellResult]) -> Judged:
        good: list[CellResult] = []
        bad: list[CellResult] = []
        for repeat in range(1, trials.runs + 1):
            result = run(repeat)
            if result.phase == "build":
                return Judged(Judgement.SKIP, result)
            if result.verdict is not Verdict.INFRASTRUCTURE:
                (bad if fails(result) else good).append(result)
            if len(bad) >= trials.needed:
                return Judged(Judgement.BAD, bad[0])
            if len(good) > trials.runs - trials.needed:
                return Judged(Judgement.GOOD, good[0])
        return Judged(Judgement.SKIP, result)

    return judge


def _judges(seen: Contrasted, trials: Trials) -> Iterator[Judge]:
    """How the kernels may be told apart, the plainest way first."""
    if seen.patched.phase == "build":
        yield _by_build
        return
    yield judge_by(trials)
    comparison = seen.patched.comparison
    if comparison is not None and comparison.word in _WORSE:
        yield judge_by(trials, lambda run: contrast(seen.base, run).word in _WORSE)


def _by_build(run: Callable[[int], CellResult]) -> Judged:
    result = run(1)
    if result.built:
        return Judged(Judgement.GOOD, result)
    hosts = result.verdict is Verdict.INFRASTRUCTURE
    return Judged(Judgement.SKIP if hosts else Judgement.BAD, result)
