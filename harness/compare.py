"""Prediction against observation: the only place that sees both."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from harness.records import (
    KERNEL_REPORT,
    Expected,
    KernelReport,
    Mismatch,
    Observation,
    Prediction,
    Scalar,
    StepResult,
)

_BESIDE_OUTCOME = ("signal", "errno", "message", "reason")


def compare(
    prediction: Prediction, observation: Observation, intended: Collection[str] = ()
) -> StepResult:
    """Every predicted value held against what was seen; a value not seen is a mismatch.

    ``intended`` names values that a series is meant to change: they are kept apart.
    """
    differing = [
        Mismatch(observation.step, expected, observation.values.get(expected.name))
        for expected in prediction.expected
        if not _agrees(expected, observation)
    ]
    return StepResult(
        observation.step,
        observation,
        prediction,
        mismatches=tuple(m for m in differing if m.expected.name not in intended),
        intended=tuple(m for m in differing if m.expected.name in intended),
    )


def first_difference(result: StepResult) -> str | None:
    """The first value of a step that is not as predicted, in words."""
    if not result.mismatches:
        return None
    first = result.mismatches[0]
    return (
        f"{result.step}: {first.expected.name} is {first.observed!r}{_more_of(result)}, "
        f"expected {first.expected.relation} {first.expected.value!r}"
    )


def _more_of(result: StepResult) -> str:
    """What was seen beside an outcome that differs, and says more of it: by which signal, why."""
    if result.mismatches[0].expected.name != "outcome":
        return ""
    seen = ((name, result.observation.values.get(name)) for name in _BESIDE_OUTCOME)
    told = [f"{name} {value}" for name, value in seen if value not in (None, "")]
    return f" ({', '.join(told)})" if told else ""


def name_reports(reports: Iterable[KernelReport]) -> str:
    """What ``KERNEL_REPORT`` is where a kernel says these; said twice is said."""
    return "; ".join(dict.fromkeys(report.name for report in reports))


def foretells(prediction: Prediction, reports: Iterable[KernelReport]) -> bool:
    """Whether all that the kernel said is what a known defect of it must make it say."""
    said = Observation(prediction.step, {KERNEL_REPORT: name_reports(reports)})
    return any(e.name == KERNEL_REPORT and _agrees(e, said) for e in prediction.expected)


def _agrees(expected: Expected, observation: Observation) -> bool:
    if expected.name not in observation.values:
        return False
    seen = observation.values[expected.name]
    match expected.relation:
        case "==":
            return seen == expected.value and isinstance(seen, bool) == isinstance(
                expected.value, bool
            )
        case "contains":
            return isinstance(seen, str) and str(expected.value) in seen
        case "matches":
            return isinstance(seen, str) and bool(re.fullmatch(str(expected.value), seen))
        case ">=":
            return _number(seen) and seen >= expected.value  # type: ignore[operator]
        case "<=":
            return _number(seen) and seen <= expected.value  # type: ignore[operator]


def _number(value: Scalar) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
