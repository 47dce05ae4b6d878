"""A series on one cell: the kernel before and the kernel after, each run once, compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from harness.campaign.order import Order, Runner, prefix
from harness.contrast import contrast
from harness.pairs import time_ratios
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

        Raises what ``Runner.run`` raises.
        """
        base, patched = (self.once(self.order(cell, p)) for p in (before, after))
        times = self._times(cell, before, after) if _both_ran(base, patched) else ()
        intended = _intended_in(cell, after, self.intentions)
        due = tuple(intention for intention in intended if intention.position > before)
        comparison = contrast(base, patched, times, due)
        return Contrasted(base, replace(patched, comparison=comparison))

    def order(self, cell: Cell, position: int, repeat: int = 1) -> Order:
        """A run with the first ``position`` patches."""
        return replace(order_of(cell, self.series, position, self.intentions), repeat=repeat)

    def once(self, order: Order) -> CellResult:
        """One run's result, remembered."""
        if order.id not in self._known:
            self._known[order.id] = self.runner.run(order)
        return self._known[order.id]

    def _times(self, cell: Cell, before: int, after: int) -> tuple[TimeRatio, ...]:
        """Pairs of guests one after the other, in turns, so that a drift hits both alike."""
        if not self.timings:
            return ()
        sides: dict[int, list[CellResult]] = {before: [], after: []}
        for repeat in range(1, self.timings + 1):
            for position in _alternating(before, after, repeat):
                sides[position].append(self.once(self.order(cell, position, repeat)))
        return time_ratios(sides[before], sides[after])


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


def _both_ran(base: CellResult, patched: CellResult) -> bool:
    return base.verdict is Verdict.OK and patched.verdict is Verdict.OK


def _alternating(before: int, after: int, repeat: int) -> Iterator[int]:
    yield from (before, after) if repeat % 2 else (after, before)
