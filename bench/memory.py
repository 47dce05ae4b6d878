"""Memory of the harness beside eight guests: what its processes take that nobody shares.

    .venv/bin/python -m bench.memory

The bytes that a guest's console says are no part of it: tests.faults.flood holds the growth by
100 MB of them to 16 MiB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

import psutil

from bench.figure import Figure, conclude
from harness.scenario.find import SCENARIOS_DIR

_BAR_MIB = 200.0
_SAMPLE_SECONDS = 0.1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--guests", type=int, default=8)
    parser.add_argument("--arch", default="s390x")
    parser.add_argument("--kernel", default="debian:6.1")
    options = parser.parse_args()
    guests, mib = measure(options.guests, options.arch, options.kernel)
    name = f"the harness with {guests} guests at once, proportional set size"
    return conclude((Figure(name, (mib,), "MiB", bar=_BAR_MIB),))


def measure(workers: int, arch: str, kernel: str) -> tuple[int, float]:
    """The most guests seen at once, and MiB of the harness then. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="dx-bench-") as results:
        command = [sys.executable, "-m", "pytest", "-q", str(SCENARIOS_DIR / "gup.yaml")]
        command += ["-p", "no:cacheprovider", "--arch", arch, "--kernel", kernel]
        command += ["-n", str(workers), "--results", results]
        most = (0, 0.0)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as run:
            while run.poll() is None:
                most = max(most, _sample(run.pid))
                time.sleep(_SAMPLE_SECONDS)
        if run.returncode:
            raise subprocess.CalledProcessError(run.returncode, command)
        return most


def _sample(pid: int) -> tuple[int, float]:
    guests, size = 0, 0
    with suppress(psutil.NoSuchProcess):
        run = psutil.Process(pid)
        for process in (run, *run.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                if process.name().startswith("qemu-system"):
                    guests += 1
                elif process.name().startswith("python"):
                    size += process.memory_full_info().pss
    return guests, size / (1 << 20)


if __name__ == "__main__":
    sys.exit(main())
