"""What a bisection leaves: run.json, written as its kernels are judged, and its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.campaign.bisect import Judgement
from harness.campaign.culprit import Culprit
from harness.campaign.order import Order, Runner
from harness.campaign.series import SeriesRunner
from harness.records import CellResult, Word
from harness.report.results import entry_to_json
from harness.report.run_file import RunFile
from harness.scenario.expand import Cell
from harness.shipped import shown

_SAID = {Judgement.GOOD: "ok", Judgement.BAD: "regressed", Judgement.SKIP: "cannot be judged"}


class BisectRecord:
    """Runs cells and keeps what they come to; ``again`` is the command that follows a cell.

    Of several runs of a cell on one kernel the first stands for it, until another is what shows
    what the kernel was judged to be.
    """

    def __init__(self, runner: Runner, run_file: RunFile, again: Callable[[Cell], str]) -> None:
        self._runner = runner
        self._run_file = run_file
        self._again = again

    def run(self, order: Order) -> CellResult:
        """The result, on disk as well. Raises what ``Runner.run`` raises."""
        result = self._runner.run(order)
        if order.repeat == 1:
            self._keep(order.cell, result)
        return result

    def compare(self, runner: SeriesRunner, cell: Cell, culprit: Culprit | None) -> CellResult:
        """Have each kernel held against the base, and the culprit against the one before it.

        ``runner`` has all of them already. Returns the culprit's, or that of the whole series.
        """
        tip = len(runner.series.patches)
        if culprit is None:
            whole = runner.run(cell, 0, tip).patched
            self._keep(cell, whole)
            return whole
        shown = culprit.shown
        self._keep(cell, shown[0])
        for position in (tip, *(position for position, _ in culprit.bisection.judged)):
            held = runner.hold(cell, (0, shown[0]), (position, shown[position]))
            self._keep(cell, held.patched)
        self._keep(cell, culprit.contrasted.patched)
        return culprit.contrasted.patched

    def _keep(self, cell: Cell, result: CellResult) -> None:
        again = self._again(cell)
        entry = entry_to_json(result, file=shown(cell.path), line=cell.line, reproduce=again)
        self._run_file.record(entry)


def render_log(culprit: Culprit, tip: int) -> Iterator[str]:
    """What each kernel was found to be, in the order in which it was asked."""
    base, comparison = culprit.shown[0], culprit.contrasted.patched.comparison
    said = dict(_SAID)
    if comparison is not None and comparison.word is Word.BUILD_BROKEN:
        said[Judgement.BAD] = "does not build"
    if not base.is_expected:
        said |= {Judgement.GOOD: "as the base", Judgement.BAD: "otherwise"}
    judged = ((tip, Judgement.BAD), *culprit.bisection.judged)
    words = [f"{position}/{tip} {said[found]}" for position, found in judged]
    yield f"  kernels:  {'; '.join([f'base {base.verdict.value}', *words])}"
