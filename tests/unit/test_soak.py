"""What a soak stops at."""

from __future__ import annotations

import pytest

from tests.soak import is_trouble, tell


@pytest.mark.parametrize(
    ("verdict", "retried", "trouble"),
    [
        ("ok", False, False),
        ("mismatch", False, False),
        ("kernel-failure", False, False),
        ("infrastructure", True, True),
        ("ok", True, True),
    ],
)
def test_a_second_try_is_trouble_whatever_came_of_it(
    verdict: str, retried: bool, trouble: bool
) -> None:
    assert is_trouble({"verdict": verdict, "retried": retried}) is trouble


def test_the_first_try_is_what_is_told() -> None:
    cell = {"id": "a.yaml::a[s390x]", "note": "tried again; ssh lost", "reason": ""}
    assert tell([cell]) == "a.yaml::a[s390x]: tried again; ssh lost"
