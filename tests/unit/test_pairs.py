"""Times in pairs: what is claimed is there, and what is not there is seldom claimed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.pairs import FEWEST_PAIRS, interval, time_ratios
from harness.records import CellResult, Observation, Prediction, Scalar, StepResult, Verdict

RATIOS = st.lists(st.floats(0.01, 100), min_size=FEWEST_PAIRS, max_size=40)


def result(**values: Scalar) -> CellResult:
    step = StepResult("gup-test", Observation("gup-test", values), Prediction("gup-test", ()), ())
    return CellResult("c", "s", "t", "k", Verdict.OK, "", 1.0, 1.0, steps=(step,))


@given(RATIOS)
def test_the_interval_holds_the_median_and_does_not_care_for_order(ratios: list[float]) -> None:
    low, high = interval(ratios)
    below = sum(ratio < low for ratio in ratios)
    above = sum(ratio > high for ratio in ratios)
    assert below == above or len(set(ratios)) < len(ratios)
    assert low <= sorted(ratios)[len(ratios) // 2] <= high
    assert interval(ratios[::-1]) == (low, high)


@pytest.mark.parametrize(("pairs", "left_out"), [(6, 0), (8, 0), (9, 1), (12, 2), (20, 5)])
def test_published_ranks_of_the_sign_test(pairs: int, left_out: int) -> None:
    """Tables of the 95 % interval of a median: ranks from the smallest and the largest."""
    assert interval(list(range(pairs))) == (left_out, pairs - 1 - left_out)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    source = random.Random(1)
    missed = 0
    for _ in range(2000):
        low, high = interval([source.lognormvariate(0, 0.3) for _ in range(11)])
        missed += not low <= 1 <= high
    assert missed <= 2000 * 0.05


def test_a_steady_change_is_claimed_and_noise_is_not() -> None:
    noise = [1.00, 1.08, 0.95, 1.02, 0.97, 1.04]
    base = [result(get_us=1000, put_us=1000, pinned_pages=512) for _ in noise]
    patched = [result(get_us=round(1000 * n), put_us=round(500 * n)) for n in noise]
    times = {ratio.name: ratio for ratio in time_ratios(base, patched)}
    assert set(times) == {"get_us", "put_us"}
    assert not times["get_us"].claimed
    assert times["put_us"].claimed
    assert times["put_us"].median == pytest.approx(0.505)
    assert (times["put_us"].pairs, times["put_us"].step) == (6, "0. gup-test")


def test_times_of_zero_tell_nothing() -> None:
    base = [result(get_us=0)] * 6
    assert time_ratios(base, [result(get_us=5)] * 6) == ()


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="fewest"):
        time_ratios([result(get_us=1)] * 5, [result(get_us=1)] * 5)
