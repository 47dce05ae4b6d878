"""Memory of the harness beside eight guests: what its processes take that nobody shares.

    .venv/bin/python -m bench.memory

The bytes that a guest's console says are no part of it: tests.faults.flood holds the growth by
100 MB of them to 16 MiB.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

import psutil

from bench.figure import Figure, conclude
from bench.watched import is_guest, run_watched
from harness.scenario.find import SCENARIOS_DIR

_BAR_MIB = 200.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--guests", type=int, default=8)
    parser.add_argument("--arch", default="s390x")
    parser.add_argument("--kernel", default="debian:6.1")
    options = parser.parse_args()
    guests, mib = measure(options.guests, options.arch, options.kernel)
    name = f"the harness with {guests} guests at once, proportional set size"
    return conclude((Figure(name, (mib,), "MiB", bar=_BAR_MIB),))


def measure(at_once: int, arch: str, kernel: str) -> tuple[int, float]:
    """The most guests seen at once, and MiB of the harness then."""
    samples = [(0, 0.0)]

    def look(processes: list[psutil.Process]) -> None:
        guests, size = 0, 0
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                if is_guest(process):
                    guests += 1
                elif process.name().startswith("python"):
                    size += process.memory_full_info().pss
        samples.append((guests, size / (1 << 20)))

    arguments = [str(SCENARIOS_DIR / "steps.yaml"), "--arch", arch, "--kernel", kernel]
    run_watched(arguments, at_once, look)
    return max(samples)


if __name__ == "__main__":
    sys.exit(main())
