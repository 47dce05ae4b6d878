"""One cell on two kernels, each run as often as it takes. What a kernel does is told here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from harness.campaign.series import SeriesRunner
from harness.compare import compare
from harness.pairs import FEWEST_PAIRS
from harness.records import (
    CellResult,
    Comparison,
    Expected,
    Intention,
    Observation,
    Prediction,
    Rule,
    Scalar,
    Verdict,
    Word,
)
from harness.report.results import cell_to_json, folder_name
from tests.unit.test_culprit import BAD, HOST, OK, UNBUILT, Told, cell, series

RULE = Rule("test.rule", "a statement", "a source")
OOPS = replace(OK, verdict=Verdict.KERNEL_FAILURE, reason="oops in f")


def timed(position: int, repeat: int) -> CellResult:
    """The patched kernel takes half as long."""
    seen = Observation("probe", {"get_us": (1000 if position else 2000) + repeat})
    return replace(OK, steps=(compare(Prediction("probe", ()), seen),))


def shows(value: Scalar, *, intended: bool = False) -> CellResult:
    prediction = Prediction("probe", (Expected("outcome", "ok", RULE),))
    names = ("outcome",) if intended else ()
    return replace(
        OK, steps=(compare(prediction, Observation("probe", {"outcome": value}), names),)
    )


def intend(value: str, becomes: Scalar, position: int = 1) -> Intention:
    return Intention(position, "*", None, "probe", value, becomes, "why", "v7.expect.yaml:1")


def runner(
    result: Callable[[int, int], CellResult], timings: int = 0, *intentions: Intention
) -> tuple[SeriesRunner, Told]:
    told = Told(result)
    anything: Any = told
    return SeriesRunner(anything, series(4), timings, intentions), told


def compared(result: CellResult) -> Comparison:
    assert result.comparison is not None
    return result.comparison


def test_a_failure_in_a_later_run_is_the_kernels() -> None:
    wanted, told = runner(lambda p, r: OOPS if p and r == 3 else timed(p, r), FEWEST_PAIRS)
    patched = wanted.run(cell(), 0, 4).patched
    assert (compared(patched).word, patched.verdict) == (Word.REGRESSED, Verdict.KERNEL_FAILURE)
    assert patched.id == f"{cell().id}@04"
    assert patched.note == "of several runs, number 3"
    assert cell_to_json(patched)["folder"] == folder_name(f"{cell().id}@04~3")
    assert max(repeat for _, repeat in told.asked) == 3


def test_a_failure_that_the_base_has_in_a_later_run_as_well_is_no_regression() -> None:
    wanted, _ = runner(lambda p, r: OOPS if r == 2 else timed(p, r), FEWEST_PAIRS)
    assert compared(wanted.run(cell(), 0, 4).patched).word is Word.UNCHANGED


def test_a_pair_that_the_host_spoilt_is_run_again() -> None:
    lower = intend("get_us", "lower")
    wanted, told = runner(
        lambda p, r: HOST if (p, r) == (0, 2) else timed(p, r), FEWEST_PAIRS, lower
    )
    found = compared(wanted.run(cell(), 0, 4).patched)
    assert found.word is Word.UNCHANGED
    assert [ratio.pairs for ratio in found.times] == [FEWEST_PAIRS]
    assert found.intended[0].met
    assert max(repeat for _, repeat in told.asked) == FEWEST_PAIRS + 1


def test_times_that_the_host_spoilt_are_no_regression() -> None:
    lower = intend("get_us", "lower")
    wanted, told = runner(lambda p, r: HOST if r > 1 else timed(p, r), FEWEST_PAIRS, lower)
    assert compared(wanted.run(cell(), 0, 4).patched).word is Word.INFRASTRUCTURE
    assert max(repeat for _, repeat in told.asked) == 2 * FEWEST_PAIRS


def test_each_patchs_times_are_taken_in_turns_with_those_of_the_kernel_before_it() -> None:
    """Per patch, on a host that gets slower and slower: runs from before would be faster."""
    ticks = count(1)

    def slower(position: int, repeat: int) -> CellResult:
        del position, repeat
        seen = Observation("probe", {"get_us": 1000 + 10 * next(ticks)})
        return replace(OK, steps=(compare(Prediction("probe", ()), seen),))

    wanted, told = runner(slower, FEWEST_PAIRS)
    for position in range(4):
        found = compared(wanted.run(cell(), position, position + 1).patched)
        assert [(ratio.pairs, ratio.claimed) for ratio in found.times] == [(FEWEST_PAIRS, False)]
    assert len(set(told.asked)) == len(told.asked)


def test_a_kernel_that_the_host_spoilt_is_passed_over() -> None:
    """Per patch: the third kernel is held against the first, the last that was judged."""
    wanted, _ = runner(lambda p, _: {2: HOST, 3: BAD, 4: BAD}.get(p, OK))
    words = [compared(wanted.run(cell(), n - 1, n).patched) for n in (1, 2, 3, 4)]
    assert [(found.word, found.base.position) for found in words] == [
        (Word.UNCHANGED, 0),
        (Word.INFRASTRUCTURE, 1),
        (Word.REGRESSED, 1),
        (Word.UNCHANGED, 3),
    ]


def test_a_kernel_that_does_not_build_is_passed_over() -> None:
    """Per patch: of two that do not, the second one breaks nothing; what is behind is judged."""
    wanted, _ = runner(lambda p, _: {0: OK, 1: UNBUILT, 2: UNBUILT, 3: BAD}.get(p, OK))
    words = [compared(wanted.run(cell(), n - 1, n).patched) for n in (1, 2, 3, 4)]
    assert [(found.word, found.base.position) for found in words] == [
        (Word.BUILD_BROKEN, 0),
        (Word.UNCHANGED, 1),
        (Word.REGRESSED, 0),
        (Word.FIXED, 3),
    ]


def test_what_a_patch_that_does_not_build_announced_is_due_behind_it() -> None:
    wanted, _ = runner(
        lambda p, _: UNBUILT if p == 2 else shows("ok"), 0, intend("outcome", "new", 2)
    )
    words = [compared(wanted.run(cell(), n - 1, n).patched).word for n in (1, 2, 3, 4)]
    assert words == [Word.UNCHANGED, Word.BUILD_BROKEN, Word.REGRESSED, Word.UNCHANGED]


@pytest.mark.parametrize(
    ("becomes", "values", "word"),
    [
        ("new", ("ok", "new", "new"), Word.UNCHANGED),
        ("new", ("ok", "new", "crash"), Word.REGRESSED),
        ("lower", (9, 5, 4), Word.UNCHANGED),
        ("lower", (9, 5, 9), Word.REGRESSED),
    ],
)
def test_what_a_patch_was_to_change_stays_changed(
    becomes: Scalar, values: tuple[Scalar, ...], word: Word
) -> None:
    wanted, _ = runner(
        lambda p, _: shows(values[min(p, 2)], intended=p > 0), 0, intend("outcome", becomes)
    )
    assert compared(wanted.run(cell(), 0, 1).patched).word is Word.UNCHANGED
    assert compared(wanted.run(cell(), 1, 2).patched).word is word
    assert compared(wanted.run(cell(), 2, 3).patched).word is Word.UNCHANGED
