"""A run against an earlier one: what fails anew, what no longer does, what still does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.records import Verdict
from harness.report.findings import KNOWN_DEFECT, what_of
from harness.report.run import Cell, Run


@dataclass(frozen=True, slots=True)
class Difference:
    """``words`` by id and kernel, for the cells that have something to tell.

    ``not_run`` are ids of cells that the earlier run had and this one has not, ``not_before`` of
    those that this one alone has.
    """

    earlier: Run
    words: Mapping[tuple[str, str], str]
    not_run: tuple[str, ...]
    not_before: tuple[str, ...]


def compare_runs(run: Run, earlier: Run) -> Difference:
    """Cells are matched by id and kernel; by id alone where each run has one kernel."""
    one_kernel = len(run.kernels) <= 1 and len(earlier.kernels) <= 1

    def identity(cell: Cell) -> tuple[str, str]:
        return cell.entry.id, "" if one_kernel else cell.kernel_spec

    before = {identity(cell): cell for cell in earlier.cells}
    words = {c.key[:2]: _word(c, before.get(identity(c))) for c in run.cells}
    now = dict.fromkeys(identity(cell) for cell in run.cells)
    return Difference(
        earlier,
        {key: word for key, word in words.items() if word},
        tuple(name for name, kernel in before if (name, kernel) not in now),
        tuple(name for name, kernel in now if (name, kernel) not in before),
    )


def _word(cell: Cell, before: Cell | None) -> str:
    if cell.entry.verdict is Verdict.INFRASTRUCTURE:
        return "infrastructure"
    if not cell.failing:
        return _quiet_word(cell, before)
    if before is None or before.entry.verdict is Verdict.INFRASTRUCTURE:
        return "failing"  # nothing is known of before
    if not before.failing:
        return "new failure"
    return "still failing" if what_of(cell) == what_of(before) else "fails otherwise"


def _quiet_word(cell: Cell, before: Cell | None) -> str:
    """Of a cell that is as expected, which one with a known defect is as well.

    What a kernel cannot have any more is nothing that was mended.
    """
    if cell.known_defects:
        return KNOWN_DEFECT
    if cell.entry.verdict is Verdict.UNSUPPORTED:
        return ""
    was_wrong = before is not None and (before.failing or before.known_defects)
    return "fixed" if was_wrong else ""
