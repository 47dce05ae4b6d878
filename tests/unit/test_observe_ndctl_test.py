"""What ndctl's own tests printed in guests of 6.1.192, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.observe.ndctl_test import find_reason, parse_test

DATA = Path(__file__).resolve().parents[1] / "data/ndctl_tests"


def recorded(name: str, status: int) -> dict[str, object]:
    text = (DATA / f"{name}-{status}.txt").read_text(encoding="utf-8")
    return dict(parse_test(name, status, text))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("device-dax-fio.sh", "missing fio, skipping..."),
        ("daxctl-create.sh", "Unable to find a victim region"),
        ("hugetlb", "test_dax_directio: failed at: 184: 0 (Invalid argument)"),
    ],
)
def test_a_skip_has_the_reason_that_the_test_gave(name: str, reason: str) -> None:
    assert recorded(name, 77) == {"outcome": "skip", "reason": reason}


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("dm.sh", 1, "cleanup() failed to destroy namespace0.0"),
        ("firmware-update.sh", 1, "error activating firmware: Unknown error 524 | "),
        ("device-dax", 255, "failed with status 255: test_dax_directio: failed at: 184: 0 (Inv"),
    ],
)
def test_a_failure_names_the_test_and_its_last_complaints(
    name: str, status: int, said: str
) -> None:
    outcome = str(recorded(name, status)["outcome"])
    assert outcome.startswith(f"{name} failed with status {status}: ")
    assert said in outcome, outcome
    assert outcome.count(" | ") < 5


@pytest.mark.parametrize(
    ("status", "how"),
    [(124, "x did not end: "), (137, "x died of SIGKILL: "), (255, "x failed with status 255: ")],
)
def test_how_a_test_ended(status: int, how: str) -> None:
    assert str(parse_test("x", status, "")["outcome"]).startswith(f"{how}it said nothing")


def test_what_passes_is_not_looked_at_further() -> None:
    assert parse_test("x", 0, "an error, skipped") == {"outcome": "pass"}


def test_without_a_reason_the_last_line_counts() -> None:
    assert find_reason(["+ exit 77"]) == ""
    assert find_reason(["one", "two", "+ exit 77"]) == "two"


def test_a_status_that_was_not_seen_is_the_hosts_trouble() -> None:
    with pytest.raises(InfrastructureError, match=r"how create\.sh ended"):
        parse_test("create.sh", None, "")
