"""A series on one cell: the kernel before and the kernel after, each run once, compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from harness.campaign.order import Order, Runner, prefix
from harness.campaign.repeats import Pairs, both_ran, stand_for
from harness.contrast import contrast
from harness.records import CellResult, Intention, TimeRatio, Verdict
from harness.scenario.expand import Cell
from harness.series.patch import Series


@dataclass(frozen=True, slots=True)
class Contrasted:
    """What one cell came to on two kernels; ``patched`` carries the comparison."""

    base: CellResult
    patched: CellResult


class SeriesRunner:
    """Runs a cell with more or fewer patches of a series; each kernel once a run.

    ``timings`` is how many pairs of guests times are taken in; 0 compares none.
    ``intentions`` are the changes that the series is meant to make.
    """

    def __init__(
        self,
        runner: Runner,
        series: Series,
        timings: int = 0,
        intentions: tuple[Intention, ...] = (),
    ) -> None:
        self.runner = runner
        self.series = series
        self.timings = timings
        self.intentions = intentions
        self._known: dict[str, CellResult] = {}

    def run(self, cell: Cell, before: int, after: int) -> Contrasted:
        """The cell with the first ``after`` patches, against the first ``before``.

        Where the host spoilt that kernel's run, or it alone does not build, against the last one
        before it that is known. Raises what ``Runner.run`` raises.
        """
        self.once(self.order(cell, before))
        patched = self.once(self.order(cell, after))
        before = self._base_of(cell, before, patched)
        base = self.once(self.order(cell, before))
        times: tuple[TimeRatio, ...] = ()
        if self.timings and both_ran(base, patched):
            pairs = self._pairs(cell, before, after)
            base, patched, times = pairs.base, pairs.patched, pairs.times
        return self.hold(cell, (before, base), (after, patched), times)

    def hold(
        self,
        cell: Cell,
        before: tuple[int, CellResult],
        after: tuple[int, CellResult],
        times: tuple[TimeRatio, ...] = (),
    ) -> Contrasted:
        """Two kernels' results, each with how many patches it has, held against each other."""
        (position, base), (last, patched) = before, after
        intended = tuple(_intended_in(cell, last, self.intentions))
        due = tuple(intention for intention in intended if intention.position > position)
        earlier = tuple(intention for intention in intended if intention not in due)
        first = self.once(self.order(cell, 0)) if earlier else base
        comparison = contrast(base, patched, times, due, earlier, first)
        return Contrasted(base, replace(patched, comparison=comparison))

    def repeat(self, cell: Cell, position: int, number: int) -> CellResult:
        """One of several runs of a kernel, from 1, as one that may stand for all."""
        run = self.once(self.order(cell, position, number))
        return stand_for(run, self.order(cell, position).id)

    def _base_of(self, cell: Cell, position: int, patched: CellResult) -> int:
        """The last position up to this one whose run the patched kernel's can be held against."""
        for earlier in range(position, -1, -1):
            known = self._known.get(self.order(cell, earlier).id)
            if known is not None and _is_base(known, patched):
                return earlier
        return position

    def order(self, cell: Cell, position: int, repeat: int = 1) -> Order:
        """A run with the first ``position`` patches."""
        return replace(order_of(cell, self.series, position, self.intentions), repeat=repeat)

    def once(self, order: Order) -> CellResult:
        """One run's result, remembered."""
        if order.id not in self._known:
            self._known[order.id] = self.runner.run(order)
        return self._known[order.id]

    def _pairs(self, cell: Cell, before: int, after: int) -> Pairs:
        """Pairs of guests one after the other, in turns, so that a drift hits both alike.

        For a pair that the host spoilt there is another one, as often as there are pairs.
        """
        pairs, most = Pairs(self.timings), 2 * self.timings
        for repeat in range(1, most + 1):
            # Runs in which this base was the patched kernel are of an earlier time.
            numbers = {before: repeat + most if before else repeat, after: repeat}
            turns = (before, after) if repeat % 2 else (after, before)
            ran = {position: self.repeat(cell, position, numbers[position]) for position in turns}
            pairs.add(ran[before], ran[after])
            if pairs.enough:
                break
        return pairs


def _is_base(run: CellResult, patched: CellResult) -> bool:
    """What does not build says nothing of kernels that do, what the host spoilt of none."""
    says = run.built or not patched.built
    return says and run.verdict is not Verdict.INFRASTRUCTURE


def order_of(
    cell: Cell, series: Series, position: int, intentions: Iterable[Intention] = ()
) -> Order:
    """A run with the first ``position`` patches, and with what these are meant to change."""
    intended = tuple(_intended_in(cell, position, intentions))
    return Order(cell, prefix(series, position), intentions=intended)


def _intended_in(cell: Cell, position: int, intentions: Iterable[Intention]) -> Iterator[Intention]:
    """What the first ``position`` patches are meant to change in a cell."""
    for intention in intentions:
        concerns = intention.targets is None or cell.target.is_one_of(intention.targets)
        if (
            concerns
            and intention.position <= position
            and fnmatchcase(cell.scenario, intention.scenario)
        ):
            yield intention
