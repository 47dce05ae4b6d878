"""The rules about ndctl's own tests."""

from __future__ import annotations

from harness.records import Rule

NDCTL_TEST_RULES: tuple[Rule, ...] = (
    Rule(
        "suite.pass",
        "A test of ndctl's own passes on a kernel that has what the test asks for.",
        "ndctl 81 test/",
    ),
    Rule(
        "suite.skip",
        "A test of ndctl's own that finds something missing says what, and ends with status 77.",
        "ndctl 81 test/common do_skip, test/core.c ndctl_test_result",
    ),
)
