"""gup_test's times of a cell, with the interval that repeats allow to speak of.

From the observation: ``get_us_each`` and ``put_us_each`` (every repeat, microseconds,
spaces between).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.pairs import FEWEST_PAIRS, interval
from harness.records import StepResult


@dataclass(frozen=True, slots=True)
class Measurement:
    """The median of ``samples`` times in microseconds, and an interval around it.

    The interval covers the median in at least 95 of 100 trials.
    """

    step: int
    name: str
    median_us: float
    low_us: float
    high_us: float
    samples: int


def measure(steps: Sequence[StepResult]) -> tuple[Measurement, ...]:
    """The times of one cell's steps that were repeated often enough to have an interval.

    One time says nothing on a host with anything else to do. ``step`` is counted from 0.
    """
    return tuple(found for index, step in enumerate(steps) for found in _of_step(index, step))


def _of_step(index: int, step: StepResult) -> Iterator[Measurement]:
    for name in ("get", "put"):
        samples = _samples(step, name)
        if len(samples) >= FEWEST_PAIRS:
            low, high = interval(samples)
            median = statistics.median(samples)
            yield Measurement(index, name, median, low, high, len(samples))


def _samples(step: StepResult, name: str) -> list[float]:
    values = step.observation.values
    each = values.get(f"{name}_us_each")
    if isinstance(each, str):
        times = (float(word) for word in each.split() if word.isdecimal())
        return [time for time in times if math.isfinite(time)]
    return []
