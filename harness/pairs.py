"""Times of two kernels, taken in pairs: by how much they differ, and whether that is sure.

Times under TCG, and on any busy host, are only worth their ratio to one taken beside
them. The interval is that of the sign test, from the order statistics of the ratios: it
assumes nothing of their distribution (Conover, Practical Nonparametric Statistics, 3.2).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from harness.records import CellResult, TimeRatio

CONFIDENCE = 0.95
# With fewer pairs not even the whole range of the ratios is such an interval.
FEWEST_PAIRS = 6


def time_ratios(base: Sequence[CellResult], patched: Sequence[CellResult]) -> tuple[TimeRatio, ...]:
    """Every time that each pair of results shows; the n-th of both make a pair.

    Times are the observed values in microseconds, ``*_us``; a pair with a time of zero
    tells nothing. Raises ValueError for fewer than ``FEWEST_PAIRS`` pairs.
    """
    if min(len(base), len(patched)) < FEWEST_PAIRS:
        raise ValueError(f"{FEWEST_PAIRS} pairs are the fewest that an interval can be had of")
    known: dict[tuple[str, str], list[float]] = {}
    for before, after in zip(base, patched, strict=True):
        times = _times(before), _times(after)
        for key in times[0].keys() & times[1].keys():
            if times[0][key] > 0 and times[1][key] > 0:
                known.setdefault(key, []).append(times[1][key] / times[0][key])
    return tuple(
        _summary(*key, ratios)
        for key, ratios in sorted(known.items())
        if len(ratios) >= FEWEST_PAIRS
    )


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Bounds of the median at ``CONFIDENCE``: the k-th smallest and the k-th largest."""
    ordered = sorted(ratios)
    count = len(ordered)
    tail = 0.0
    rank = 0
    while rank < count // 2:
        tail += math.comb(count, rank) / 2**count
        if 2 * tail > 1 - CONFIDENCE:
            break
        rank += 1
    cut = max(rank - 1, 0)
    return ordered[cut], ordered[count - 1 - cut]


def _times(result: CellResult) -> dict[tuple[str, str], int]:
    return {
        (f"{number}. {step.step}", name): value
        for number, step in enumerate(result.steps)
        for name, value in step.observation.values.items()
        if name.endswith("_us") and isinstance(value, int)
    }


def _summary(step: str, name: str, ratios: Sequence[float]) -> TimeRatio:
    low, high = interval(ratios)
    return TimeRatio(
        step=step,
        name=name,
        median=statistics.median(ratios),
        low=low,
        high=high,
        pairs=len(ratios),
        claimed=not low <= 1 <= high,
    )
