"""Two results of one cell make one word, and the values that differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.compare import compare
from harness.contrast import contrast
from harness.records import (
    CellResult,
    Difference,
    Expected,
    KernelReport,
    Observation,
    Prediction,
    Rule,
    Scalar,
    StepResult,
    Verdict,
    Word,
)

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


GOOD = result(Verdict.OK, step(size=4096, pages=3))
WRONG = result(Verdict.MISMATCH, step(size=8192, pages=3))
WRONG_OTHERWISE = result(Verdict.MISMATCH, step(size=12288, pages=3))
UNSUPPORTED = result(Verdict.UNSUPPORTED)
HOST = result(Verdict.INFRASTRUCTURE)
UNBUILT = result(Verdict.KERNEL_FAILURE, phase="build", reason="x.c:1: error")
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
        (WRONG, WRONG, Word.UNCHANGED),
        (WRONG, WRONG_OTHERWISE, Word.CHANGED),
        (WRONG, crash("a"), Word.CHANGED),
        (crash("a"), crash("a"), Word.UNCHANGED),
        (crash("a"), crash("b"), Word.CHANGED),
        (GOOD, UNSUPPORTED, Word.CHANGED),
        (GOOD, UNBUILT, Word.BUILD_BROKEN),
        (WRONG, UNBUILT, Word.BUILD_BROKEN),
        (UNBUILT, UNBUILT_OTHERWISE, Word.UNCHANGED),
        (HOST, GOOD, Word.INFRASTRUCTURE),
        (GOOD, HOST, Word.INFRASTRUCTURE),
        (HOST, UNBUILT, Word.INFRASTRUCTURE),
    ],
)
def test_words(base: CellResult, patched: CellResult, word: Word) -> None:
    assert contrast(base, patched).word is word


def test_what_differs_is_what_one_value_is_predicted_for() -> None:
    patched = result(Verdict.MISMATCH, step(size=8192, pages=7, get_us=99))
    found = contrast(GOOD, patched).differences
    assert found == (Difference("0. probe", "size", 4096, 8192),)


def test_steps_are_compared_as_far_as_both_came() -> None:
    longer = result(Verdict.OK, step(size=4096, pages=3), step(size=1, pages=3))
    assert contrast(longer, GOOD).differences == ()
