"""The first bad patch: found whatever cannot be judged, and with few kernels built."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.campaign.bisect import Bisection, Judgement, bisect


def search(tip: int, first_bad: int, unjudged: frozenset[int] = frozenset()) -> Bisection:
    def judge(position: int) -> Judgement:
        assert 0 < position < tip
        if position in unjudged:
            return Judgement.SKIP
        return Judgement.BAD if position >= first_bad else Judgement.GOOD

    return bisect(0, tip, judge)


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, int, frozenset[int]]:
    tip = draw(st.integers(1, 60))
    first_bad = draw(st.integers(1, tip))
    inner = st.integers(1, tip - 1) if tip > 1 else st.nothing()
    return tip, first_bad, draw(st.frozensets(inner))


@given(problems())
def test_the_culprit_is_among_as_few_suspects_as_can_be(
    problem: tuple[int, int, frozenset[int]],
) -> None:
    tip, first_bad, unjudged = problem
    found = search(tip, first_bad, unjudged)
    assert first_bad in found.suspects
    # Every kernel between the two that are told apart was one that cannot be judged.
    assert set(range(found.good + 1, found.bad)) <= unjudged
    asked = [position for position, _ in found.judged]
    assert len(asked) == len(set(asked))


@given(st.integers(1, 1000), st.data())
def test_no_more_kernels_than_halving_takes(tip: int, data: st.DataObject) -> None:
    found = search(tip, data.draw(st.integers(1, tip)))
    assert len(found.suspects) == 1
    assert len(found.judged) <= math.ceil(math.log2(tip))


def test_neighbours_need_no_kernel() -> None:
    assert search(1, 1) == Bisection(0, 1, ())


def test_the_bad_must_come_after_the_good() -> None:
    with pytest.raises(ValueError, match="not before"):
        bisect(3, 3, lambda _: Judgement.GOOD)
