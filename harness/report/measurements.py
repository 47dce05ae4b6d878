"""gup_test's times of a cell, with the interval that repeats allow to speak of.

From the observation: ``get_us_each`` and ``put_us_each`` (every repeat, microseconds,
spaces between), or ``get_us`` and ``put_us``, the last repeat alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.records import StepResult

_COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class Measurement:
    """The median of ``samples`` times in microseconds, and an interval around it.

    ``coverage`` is the interval's confidence for the median, from order statistics; None
    where there are too few samples for 95 %, and the interval is the range that was seen.
    """

    step: int
    name: str
    median_us: float
    low_us: float
    high_us: float
    samples: int
    coverage: float | None


def measure(steps: Sequence[StepResult]) -> tuple[Measurement, ...]:
    """Every time that the steps of one cell show; ``step`` is counted from 0."""
    return tuple(found for index, step in enumerate(steps) for found in _of_step(index, step))


def _of_step(index: int, step: StepResult) -> Iterator[Measurement]:
    for name in ("get", "put"):
        samples = _samples(step, name)
        if samples:
            low, high, coverage = median_interval(samples)
            yield Measurement(
                index, name, statistics.median(samples), low, high, len(samples), coverage
            )


def _samples(step: StepResult, name: str) -> list[int]:
    values = step.observation.values
    each = values.get(f"{name}_us_each")
    if isinstance(each, str):
        return [int(word) for word in each.split() if word.isdecimal()]
    last = values.get(f"{name}_us")
    return [last] if isinstance(last, int) and not isinstance(last, bool) else []


def median_interval(samples: Sequence[int]) -> tuple[int, int, float | None]:
    """Low, high and confidence of an interval for the median that assumes no distribution.

    Between the k-th lowest and the k-th highest sample; the narrowest of at least 95 %.
    Fewer than six samples have none: their range, and None.
    """
    ordered, count = sorted(samples), len(samples)
    for rank in range(count // 2, 0, -1):
        outside = 2 * sum(math.comb(count, i) for i in range(rank)) / 2**count
        if 1 - outside >= _COVERAGE:
            return ordered[rank - 1], ordered[count - rank], 1 - outside
    return ordered[0], ordered[-1], None
