"""One test of ndctl's own suite: its exit status and what it printed, told as one outcome."""

from __future__ import annotations

import re

from harness.errors import InfrastructureError
from harness.observe.signals import is_signal, signal_name
from harness.records import Scalar

_SKIPPED = 77
_OUT_OF_TIME = 124
_SIGNALLED = 128
_LAST_LINES = 5

# bash -x prints commands as it runs them, and libraries log every attribute that is not there;
# these are not what a test has to say.
_TRACE = re.compile(r"\++ |lib(?:ndctl|daxctl|cxl|kmod): ")
# "kernel 6.1.192: missing fio, skipping..." of the scripts' do_skip.
_DO_SKIP = re.compile(r"kernel \S+: (?P<reason>.+)")
# "__ndctl_test_attempt: skip do_test:65 requires: 4.15.0 current: 4.9.0" and the like.
_REASON = re.compile(r"skip|unavailable|unable to|failed to find|need a|not found|lacks", re.I)
_COMPLAINT = re.compile(r"fail|error|unexpected|incorrect", re.I)


def parse_test(test: str, status: int | None, output: str) -> dict[str, Scalar]:
    """``outcome``, and of a test that skips its ``reason``.

    Raises InfrastructureError where the test's status was not seen.
    """
    if status is None:
        raise InfrastructureError(f"the guest did not tell how {test} ended")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if status == 0:
        return {"outcome": "pass"}
    if status == _SKIPPED:
        return {"outcome": "skip", "reason": find_reason(lines)}
    last = " | ".join(last_words(lines)) or "it said nothing"
    return {"outcome": f"{test} {_how(status)}: {last}"}


def last_words(lines: list[str]) -> list[str]:
    """The last complaints of a test that failed; the last lines of one that has none.

    What it prints to standard output comes late, behind what went wrong.
    """
    said = [line for line in lines if not _TRACE.match(line)]
    return [line for line in said if _COMPLAINT.search(line)][-_LAST_LINES:] or lines[-_LAST_LINES:]


def find_reason(lines: list[str]) -> str:
    """Why a test skipped, in its own words: the last line that gives a reason, or the last."""
    said = [line for line in lines if not _TRACE.match(line)]
    reasons = [line for line in said if _DO_SKIP.match(line) or _REASON.search(line)]
    last = (reasons or said or [""])[-1]
    match = _DO_SKIP.match(last)
    return match["reason"] if match else last


def _how(status: int) -> str:
    if status == _OUT_OF_TIME:
        return "did not end"
    if is_signal(status - _SIGNALLED):
        return f"died of {signal_name(status - _SIGNALLED)}"
    return f"failed with status {status}"
