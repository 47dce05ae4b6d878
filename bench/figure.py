"""One figure of docs/performance.md: what was measured, how often, and its bar."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """Repeats of one measurement; ``bar`` is what its median must stay below, if anything.

    ``against`` names the peer or limit, measured in the same run.
    """

    name: str
    values: tuple[float, ...]
    unit: str
    against: str = ""
    bar: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def holds(self) -> bool:
        return self.bar is None or self.median < self.bar

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        spread = f"{self.median:.3g} {self.unit} ({low:.3g} to {high:.3g}, {len(self.values)} runs)"
        against = f", against {self.against}" if self.against else ""
        if self.bar is None:
            return f"{self.name}: {spread}{against}"
        word = "holds" if self.holds else "MISSED"
        return f"{self.name}: {spread}{against}; bar {self.bar:g} {self.unit}: {word}"


def ratios(measured: Sequence[float], peer: Sequence[float]) -> tuple[float, ...]:
    """What each measurement is of the peer's beside it."""
    return tuple(one / other for one, other in zip(measured, peer, strict=True))


def conclude(figures: Iterable[Figure]) -> int:
    """Print figures as they come; 1 where one misses its bar."""
    missed = 0
    for figure in figures:
        print(figure, flush=True)
        missed += not figure.holds
    return 1 if missed else 0
