"""A prediction and an observation agree, or the difference is a finding."""

from __future__ import annotations

import pytest

from harness.compare import compare, first_difference, foretells
from harness.records import (
    KERNEL_REPORT,
    Expected,
    KernelReport,
    Observation,
    Prediction,
    Relation,
    Rule,
    Scalar,
)

RULE = Rule("test.rule", "a statement", "a source")


def mismatches(expected: Scalar, relation: Relation, **values: Scalar) -> int:
    prediction = Prediction("step", (Expected("value", expected, RULE, relation),))
    return len(compare(prediction, Observation("step", values)).mismatches)


@pytest.mark.parametrize(
    ("expected", "relation", "seen", "differs"),
    [
        (4096, "==", 4096, False),
        (4096, "==", 4097, True),
        (4096, "==", "4096", True),
        (None, "==", None, False),
        (None, "==", 0, True),
        (True, "==", True, False),
        (True, "==", 1, True),
        ("misaligned", "contains", "region0: misaligned", False),
        ("misaligned", "contains", "fine", True),
        ("misaligned", "contains", None, True),
        ("in (ab|a)", "matches", "in a", False),
        ("in (ab|a)", "matches", "in a; more", True),
        ("in (ab|a)", "matches", None, True),
        (10, ">=", 10, False),
        (10, ">=", 9, True),
        (10, ">=", None, True),
        (10, "<=", 10, False),
        (10, "<=", 11, True),
        (10, "<=", "7", True),
    ],
)
def test_relations(expected: Scalar, relation: Relation, seen: Scalar, differs: bool) -> None:
    assert mismatches(expected, relation, value=seen) == int(differs)


def test_a_value_that_was_not_seen_is_a_mismatch_even_where_none_is_expected() -> None:
    assert mismatches(None, "==", other=1) == 1


def test_unpredicted_values_are_no_mismatch() -> None:
    assert mismatches(1, "==", value=1, get_us=17) == 0


WARNS = Prediction("step", (Expected(KERNEL_REPORT, "warning in foo", RULE),))


def report(kind: str, function: str | None) -> KernelReport:
    return KernelReport(kind, "title", function, "warning", 1, 2, "0123", "text")


@pytest.mark.parametrize(
    ("reports", "foretold"),
    [
        ([report("warning", "foo")], True),
        ([report("warning", "foo"), report("warning", "foo")], True),
        ([report("warning", "bar")], False),
        ([report("warning", "foo"), report("bug", "foo")], False),
        ([report("warning", None)], False),
        ([], False),
    ],
)
def test_a_known_defect_foretells_its_own_report_alone(
    reports: list[KernelReport], foretold: bool
) -> None:
    assert foretells(WARNS, reports) is foretold
    assert not foretells(Prediction("step", ()), reports)


def test_a_report_that_was_foretold_and_does_not_come_is_a_mismatch() -> None:
    assert WARNS.ends_cell
    assert compare(WARNS, Observation("step", {"outcome": "created"})).mismatches
    assert not compare(WARNS, Observation("step", {KERNEL_REPORT: "warning in foo"})).mismatches


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"outcome": "killed", "signal": "SIGBUS"}, "'killed' (signal SIGBUS)"),
        (
            {"outcome": "refused", "errno": "EBUSY", "message": "is active", "size": 1},
            "'refused' (errno EBUSY, message is active)",
        ),
        ({"outcome": "mmap-refused", "errno": None}, "'mmap-refused'"),
        ({"outcome": "no-device"}, "'no-device'"),
    ],
)
def test_an_outcome_that_differs_is_told_with_what_says_more_of_it(
    values: dict[str, Scalar], said: str
) -> None:
    prediction = Prediction("gup-test", (Expected("outcome", "ran", RULE),))
    result = compare(prediction, Observation("gup-test", values))
    assert first_difference(result) == f"gup-test: outcome is {said}, expected == 'ran'"


def test_another_value_that_differs_is_told_alone() -> None:
    prediction = Prediction("gup-test", (Expected("pages", 4, RULE),))
    result = compare(prediction, Observation("gup-test", {"pages": 3, "errno": "EINVAL"}))
    assert first_difference(result) == "gup-test: pages is 3, expected == 4"
