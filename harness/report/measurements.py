"""gup_test's times of a cell, with the interval that repeats allow to speak of.

From the observation: ``get_us_each`` and ``put_us_each`` (every repeat, microseconds,
spaces between), or ``get_us`` and ``put_us``, the last repeat alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.pairs import FEWEST_PAIRS, interval
from harness.records import StepResult


@dataclass(frozen=True, slots=True)
class Measurement:
    """The median of ``samples`` times in microseconds, and an interval around it.

    The interval covers the median in 95 of 100 trials; of fewer than six samples it is
    the range that was seen.
    """

    step: int
    name: str
    median_us: float
    low_us: float
    high_us: float
    samples: int


def measure(steps: Sequence[StepResult]) -> tuple[Measurement, ...]:
    """Every time that the steps of one cell show; ``step`` is counted from 0."""
    return tuple(found for index, step in enumerate(steps) for found in _of_step(index, step))


def _of_step(index: int, step: StepResult) -> Iterator[Measurement]:
    for name in ("get", "put"):
        samples = _samples(step, name)
        if samples:
            low, high = _interval(samples)
            median = statistics.median(samples)
            yield Measurement(index, name, median, low, high, len(samples))


def _samples(step: StepResult, name: str) -> list[int]:
    values = step.observation.values
    each = values.get(f"{name}_us_each")
    if isinstance(each, str):
        return [int(word) for word in each.split() if word.isdecimal()]
    last = values.get(f"{name}_us")
    return [last] if isinstance(last, int) and not isinstance(last, bool) else []


def _interval(samples: Sequence[int]) -> tuple[float, float]:
    if len(samples) < FEWEST_PAIRS:
        return min(samples), max(samples)
    return interval([float(sample) for sample in samples])
