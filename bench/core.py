"""The core scenarios on all targets, against the processor time that their guests take.

    .venv/bin/python -m bench.core

The guests' seconds, spread over the host's processors, are what a run cannot be faster than.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

import psutil

from bench.figure import Figure, conclude
from bench.watched import is_guest, run_watched
from harness.scenario.find import CORE, SCENARIOS_DIR
from harness.share import usable_cores

_NAME = "core scenarios on all targets"
_BAR_SECONDS = 240.0
_BAR_TIMES = 1.25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.core", description=__doc__)
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--guests", type=int, default=usable_cores())
    options = parser.parse_args()
    seconds, busy = measure(options.kernel, options.guests)
    times = seconds / (busy / options.guests)
    peer = f"{busy:.0f} s of the guests' processors on {options.guests}"
    return conclude(
        (
            Figure(_NAME, (seconds,), "s", bar=_BAR_SECONDS),
            Figure(_NAME, (times,), "times", peer, _BAR_TIMES),
        )
    )


def measure(kernel: str, at_once: int) -> tuple[float, float]:
    """Seconds of a run, and of the processors in its guests, each as it was last seen."""
    guests: dict[tuple[int, float], float] = {}

    def look(processes: list[psutil.Process]) -> None:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                if is_guest(process):
                    times = process.cpu_times()
                    guests[process.pid, process.create_time()] = times.user + times.system

    arguments = [str(SCENARIOS_DIR), "-m", CORE, "--arch", "all", "--kernel", kernel]
    return run_watched(arguments, at_once, look), sum(guests.values())


if __name__ == "__main__":
    sys.exit(main())
