"""Two results of one cell make one word, and the values that differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.compare import compare
from harness.contrast import contrast
from harness.records import (
    CellResult,
    Difference,
    Direction,
    Expected,
    Intention,
    KernelReport,
    Observation,
    PatchLabel,
    Prediction,
    Rule,
    Scalar,
    StepResult,
    TimeRatio,
    Verdict,
    Word,
)
from harness.report.series_text import render_comparison

RULE = Rule("test.rule", "a statement", "a source")
EXPECTED = (Expected("size", 4096, RULE), Expected("pages", 9, RULE, "<="))


def step(**values: Scalar) -> StepResult:
    return compare(Prediction("probe", EXPECTED), Observation("probe", values))


def result(verdict: Verdict, *steps: StepResult, **others: object) -> CellResult:
    blank = CellResult("c", "s", "t", "k", verdict, "", 1.0, 1.0, steps=steps, phase="probe")
    return replace(blank, **others)  # type: ignore[arg-type]


def crash(fingerprint: str) -> CellResult:
    report = KernelReport("oops", "oops in f", "f", "fatal", 1, 2, fingerprint, "text")
    return result(Verdict.KERNEL_FAILURE, report=report)


def hang(seconds: str) -> CellResult:
    """What guest/assembly.py says of a boot that stops; no two have the same words."""
    asked = f"the guest's other line: no answer; last words: {seconds}\n-- registers --\n{seconds}"
    reason = f"boot stopped in state kernel, for {seconds} s; {asked}"
    return result(Verdict.KERNEL_FAILURE, reason=reason, phase="boot")


GOOD = result(Verdict.OK, step(size=4096, pages=3))
WRONG = result(Verdict.MISMATCH, step(size=8192, pages=3))
TOO_MANY = result(Verdict.MISMATCH, step(size=4096, pages=12))
MORE_STILL = result(Verdict.MISMATCH, step(size=4096, pages=13))
NOT_COUNTED = result(Verdict.MISMATCH, step(size=4096))
WRONG_OTHERWISE = result(Verdict.MISMATCH, step(size=12288, pages=3))
UNSUPPORTED = result(Verdict.UNSUPPORTED)
HOST = result(Verdict.INFRASTRUCTURE)
UNBUILT = result(Verdict.KERNEL_FAILURE, phase="build", reason="x.c:1: error")
DEFECT = Expected("size", 1, Rule("defect.x", "a statement", "a source", defect=True))
WITHOUT_DEFECT = result(
    Verdict.MISMATCH, compare(Prediction("probe", (DEFECT,)), Observation("probe", {"size": 2}))
)
UNBUILT_OTHERWISE = result(Verdict.KERNEL_FAILURE, phase="build", reason="y.c:2: error")


@pytest.mark.parametrize(
    ("base", "patched", "word"),
    [
        (GOOD, GOOD, Word.UNCHANGED),
        (GOOD, WRONG, Word.REGRESSED),
        (GOOD, crash("a"), Word.REGRESSED),
        (UNSUPPORTED, crash("a"), Word.REGRESSED),
        (WRONG, GOOD, Word.FIXED),
        (UNBUILT, GOOD, Word.FIXED),
        (WRONG, UNSUPPORTED, Word.CHANGED),
        (WRONG, WRONG, Word.UNCHANGED),
        (WRONG, WRONG_OTHERWISE, Word.CHANGED),
        (TOO_MANY, MORE_STILL, Word.UNCHANGED),
        (TOO_MANY, NOT_COUNTED, Word.CHANGED),
        (TOO_MANY, WRONG, Word.CHANGED),
        (WRONG, crash("a"), Word.CHANGED),
        (crash("a"), crash("a"), Word.UNCHANGED),
        (crash("a"), crash("b"), Word.CHANGED),
        (crash("a"), replace(crash("a"), phase="after the last step"), Word.UNCHANGED),
        (crash("a"), replace(crash("a"), phase="boot"), Word.CHANGED),
        (GOOD, UNSUPPORTED, Word.CHANGED),
        (GOOD, UNBUILT, Word.BUILD_BROKEN),
        (WRONG, UNBUILT, Word.BUILD_BROKEN),
        (UNBUILT, UNBUILT_OTHERWISE, Word.UNCHANGED),
        (HOST, GOOD, Word.INFRASTRUCTURE),
        (GOOD, HOST, Word.INFRASTRUCTURE),
        (HOST, UNBUILT, Word.BUILD_BROKEN),
        (replace(HOST, phase="build"), UNBUILT, Word.INFRASTRUCTURE),
        (GOOD, replace(HOST, phase="build"), Word.INFRASTRUCTURE),
        (hang("61.4"), hang("63.0"), Word.UNCHANGED),
        (hang("61.4"), replace(hang("61.4"), phase="guest"), Word.CHANGED),
        (GOOD, WITHOUT_DEFECT, Word.CHANGED),
        (GOOD, replace(WITHOUT_DEFECT, verdict=Verdict.KERNEL_FAILURE), Word.REGRESSED),
    ],
)
def test_words(base: CellResult, patched: CellResult, word: Word) -> None:
    assert contrast(base, patched).word is word


def test_what_differs_is_what_one_value_is_predicted_for() -> None:
    patched = result(Verdict.MISMATCH, step(size=8192, pages=7, get_us=99))
    found = contrast(GOOD, patched).differences
    assert found == (Difference("0. probe", "size", 4096, 8192),)


def test_what_only_the_patched_kernel_lost_is_told() -> None:
    base = replace(GOOD, lost=("CONFIG_NUMA",))
    found = contrast(base, replace(WRONG, lost=("CONFIG_HUGETLBFS", "CONFIG_NUMA")))
    assert found.lost == ("CONFIG_HUGETLBFS",)
    words = "\n".join(render_comparison(found, PatchLabel(1, "mm: drop it")))
    assert "expected as before all the same:\n    CONFIG_HUGETLBFS" in words
    many = replace(WRONG, lost=tuple(f"CONFIG_{n}" for n in range(20)))
    lines = render_comparison(contrast(GOOD, many), None)
    assert lines[-1] == "    and 12 more"


def test_steps_are_compared_as_far_as_both_came() -> None:
    longer = result(Verdict.OK, step(size=4096, pages=3), step(size=1, pages=3))
    assert contrast(longer, GOOD).differences == ()


def intend(value: str, becomes: Direction | Scalar) -> tuple[Intention, ...]:
    return (Intention(1, "*", None, "probe", value, becomes, "a reason", "v7.expect.yaml:2"),)


HIGHER = result(Verdict.OK, step(size=4096, pages=5))


@pytest.mark.parametrize(
    ("value", "becomes", "word"),
    [
        ("pages", "higher", Word.UNCHANGED),
        ("pages", 5, Word.UNCHANGED),
        ("pages", "lower", Word.REGRESSED),
        ("pages", 6, Word.REGRESSED),
        ("size", "higher", Word.REGRESSED),
        ("nothing", "higher", Word.REGRESSED),
    ],
)
def test_a_change_that_was_announced_has_to_come(
    value: str, becomes: Direction | Scalar, word: Word
) -> None:
    found = contrast(GOOD, HIGHER, intentions=intend(value, becomes))
    assert found.word is word
    assert [fulfilment.met for fulfilment in found.intended] == [word is Word.UNCHANGED]


@pytest.mark.parametrize(
    ("pages", "met"), [((5, 5), True), ((5, 3), True), ((3, 3), False), ((5, 2), False)]
)
def test_a_step_that_the_change_does_not_reach_breaks_no_promise(
    pages: tuple[int, int], met: bool
) -> None:
    before = result(Verdict.OK, *(step(size=4096, pages=3) for _ in pages))
    after = result(Verdict.OK, *(step(size=4096, pages=number) for number in pages))
    found = contrast(before, after, intentions=intend("pages", "higher"))
    assert [fulfilment.met for fulfilment in found.intended] == [met]


def test_what_is_intended_is_no_mismatch_of_its_step() -> None:
    found = compare(Prediction("probe", EXPECTED), Observation("probe", {"size": 1}), {"size"})
    assert [m.expected.name for m in found.intended] == ["size"]
    assert [m.expected.name for m in found.mismatches] == ["pages"]


@pytest.mark.parametrize(
    ("ratio", "claimed", "met"), [(0.4, True, True), (0.9, False, False), (1.5, True, False)]
)
def test_a_time_is_only_lower_where_its_ratio_is_claimed(
    ratio: float, claimed: bool, met: bool
) -> None:
    times = (TimeRatio("0. probe", "put_us", ratio, ratio, ratio, 6, claimed),)
    found = contrast(GOOD, GOOD, times, intend("put_us", "lower"))
    assert [fulfilment.met for fulfilment in found.intended] == [met]


def test_a_time_that_nobody_took_is_not_lower() -> None:
    found = contrast(GOOD, GOOD, intentions=intend("put_us", "lower"))
    assert found.word is Word.REGRESSED
    assert "--timings" in found.intended[0].seen
