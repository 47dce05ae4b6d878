"""Several runs of one cell on one kernel, and which of them stands for all."""

from __future__ import annotations

from dataclasses import replace

from harness.pairs import FEWEST_PAIRS, time_ratios
from harness.records import CellResult, TimeRatio, Verdict


class Pairs:
    """Runs of two kernels in turns; what stands for each, and their times.

    A patched kernel that fails in one of its runs fails, and is held against a run of the base
    that fails as well, if there is one. Where the host spoilt so many that no times can be
    told, a run that it spoilt stands for its kernel.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._all: list[tuple[CellResult, CellResult]] = []

    def add(self, base: CellResult, patched: CellResult) -> None:
        self._all.append((base, patched))

    @property
    def enough(self) -> bool:
        return self._fails(1) is not None or len(self._timed) == self._wanted

    @property
    def base(self) -> CellResult:
        failing = self._fails(0) if self._fails(1) else None
        return failing or self._spoilt(0) or self._all[0][0]

    @property
    def patched(self) -> CellResult:
        return self._fails(1) or self._spoilt(1) or self._all[0][1]

    @property
    def times(self) -> tuple[TimeRatio, ...]:
        if self._fails(1) or len(self._timed) < FEWEST_PAIRS:
            return ()
        base, patched = zip(*self._timed, strict=True)
        return time_ratios(base, patched)

    @property
    def _timed(self) -> list[tuple[CellResult, CellResult]]:
        return [pair for pair in self._all if both_ran(*pair)]

    def _fails(self, side: int) -> CellResult | None:
        of_kernel = (pair[side] for pair in self._all)
        host = Verdict.INFRASTRUCTURE
        return next((r for r in of_kernel if not r.is_expected and r.verdict is not host), None)

    def _spoilt(self, side: int) -> CellResult | None:
        """A run that the host spoilt, where too few are left to tell times by."""
        if self._fails(1) or len(self._timed) >= FEWEST_PAIRS:
            return None
        of_kernel = (pair[side] for pair in self._all)
        return next((r for r in of_kernel if r.verdict is Verdict.INFRASTRUCTURE), None)


def stand_for(result: CellResult, cell_id: str) -> CellResult:
    """A repeat's result in the place of the cell's own; its files stay where they are."""
    if result.id == cell_id:
        return result
    note = f"of several runs, number {result.id.rpartition('~')[2]}"
    told = "; ".join(filter(None, (result.note, note)))
    return replace(result, id=cell_id, shown_in=result.id, note=told)


def both_ran(base: CellResult, patched: CellResult) -> bool:
    return base.verdict is Verdict.OK and patched.verdict is Verdict.OK
