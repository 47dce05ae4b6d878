"""The core scenarios on all targets, against the processor time that their guests take.

    .venv/bin/python -m bench.core

The guests' seconds, spread over the host's processors, are what a run cannot be faster than.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

import psutil

from bench.figure import Figure, conclude
from harness.scenario.find import SCENARIOS_DIR

_BAR_SECONDS = 240.0
_BAR_TIMES = 1.25
_SAMPLE_SECONDS = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.core", description=__doc__)
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    seconds, guests = measure(options.kernel, options.workers)
    least = guests / options.workers
    peer = f"{guests:.0f} s of the guests' processors on {options.workers}"
    return conclude(
        (
            Figure("core scenarios on all targets", (seconds,), "s", bar=_BAR_SECONDS),
            Figure("core scenarios on all targets", (seconds / least,), "times", peer, _BAR_TIMES),
        )
    )


def measure(kernel: str, workers: int) -> tuple[float, float]:
    """Seconds of a run, and of the processors in its guests. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="dx-bench-") as results:
        command = [sys.executable, "-m", "pytest", "-q", str(SCENARIOS_DIR), "-m", "core"]
        command += ["-p", "no:cacheprovider", "--arch", "all", "--kernel", kernel]
        command += ["-n", str(workers), "--results", results]
        started = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as run:
            guests = guest_seconds(run)
        if run.returncode:
            raise subprocess.CalledProcessError(run.returncode, command)
        return time.monotonic() - started, guests


def guest_seconds(run: subprocess.Popen[bytes]) -> float:
    """Of all QEMUs below a process until it ends; each as it was last seen."""
    seen: dict[tuple[int, float], float] = {}
    parent = psutil.Process(run.pid)
    while run.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for process in parent.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if process.name().startswith("qemu-system"):
                        times = process.cpu_times()
                        seen[process.pid, process.create_time()] = times.user + times.system
        time.sleep(_SAMPLE_SECONDS)
    return sum(seen.values())


if __name__ == "__main__":
    sys.exit(main())
