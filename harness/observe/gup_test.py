"""What the kernel's gup_test prints: plain in 6.1, kselftest's TAP in 6.12 and later.

The ioctl succeeds even where nothing could be pinned; a size behind "truncated" is all
that tells then. Source: tools/testing/selftests/{vm,mm}/gup_test.c of 6.1, 6.12 and 7.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from harness.observe.errno_names import find_errno
from harness.observe.signals import is_signal, signal_name

# In TAP, ksft_print_msg puts "# " before every piece of a line, in its middle too.
_BENCHMARK = re.compile(
    r"(?P<command>(?:GUP|PIN)_(?:FAST|LONGTERM)_BENCHMARK): Time: get:(?P<get>-?\d+)"
    r" put:(?P<put>-?\d+) us(?:# )?(?:, truncated \(size: (?P<truncated>\d+)\))?"
)
_BASIC = re.compile(r"(?P<command>(?:GUP|PIN)_BASIC_TEST|DUMP_USER_PAGES_TEST): done")
_BASIC_TRUNCATED = re.compile(r"^(?:# )?Truncated \(size: (?P<truncated>\d+)\)")
_FAILED = re.compile(
    r"^(?:Bail out! )?(?:Unable to )?(?P<call>mmap|ioctl|open)\b[^:]*: ."
    r"|^not ok \d+ (?P<tap>ioctl)"
)
_SIGNAL_BASE = 128

Outcome = Literal["ran", "open-refused", "mmap-refused", "ioctl-refused", "killed", "not-run"]
# "open" is of the memory's file, which a step finds to be there; the kernel's own for the test has
# other words ("failed to open /sys/kernel/debug/gup_test").
_REFUSED: dict[str, Outcome] = {
    "open": "open-refused",
    "mmap": "mmap-refused",
    "ioctl": "ioctl-refused",
}


@dataclass(frozen=True, slots=True)
class GupResult:
    """One result line; times are microseconds, None for the tests that measure none.

    ``truncated_bytes`` is None where gup_test says nothing of it.
    """

    command: str
    get_us: int | None
    put_us: int | None
    truncated_bytes: int | None


@dataclass(frozen=True, slots=True)
class GupRun:
    """One run of gup_test; ``not-run`` is a run that told nothing of the kernel's GUP."""

    outcome: Outcome
    results: tuple[GupResult, ...]
    errno: str | None
    signal: str | None

    @property
    def truncated_bytes(self) -> int | None:
        """The least that any result says was reached; None where none says anything."""
        sizes = [r.truncated_bytes for r in self.results if r.truncated_bytes is not None]
        return min(sizes, default=None)


def parse_gup_test(output: str, status: int) -> GupRun:
    """A run from its output, stderr included, and its exit status (128+n for signal n)."""
    results = _results(output)
    if is_signal(status - _SIGNAL_BASE):
        return GupRun("killed", results, None, signal_name(status - _SIGNAL_BASE))
    for line in output.splitlines():
        failed = _FAILED.match(line)
        if failed is not None:
            outcome = _REFUSED[failed["call"] or failed["tap"]]
            return GupRun(outcome, results, find_errno(line), None)
    return GupRun("ran" if results and status == 0 else "not-run", results, None, None)


def _results(output: str) -> tuple[GupResult, ...]:
    results: list[GupResult] = []
    for line in output.splitlines():
        if match := _BENCHMARK.search(line):
            size = match["truncated"]
            truncated = None if size is None else int(size)
            times = int(match["get"]), int(match["put"])
            results.append(GupResult(match["command"], *times, truncated))
        elif match := _BASIC.search(line):
            results.append(GupResult(match["command"], None, None, None))
        elif results and (match := _BASIC_TRUNCATED.match(line)):
            command = results[-1].command
            results[-1] = GupResult(command, None, None, int(match["truncated"]))
    return tuple(results)
