"""Ten cells of one target and layout in one guest, against ten guests.

    .venv/bin/python -m bench.reuse --arch ppc64-hash

Both are whole pytest runs, in turns; the second with --fresh.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time

from bench.figure import Figure, conclude, ratios
from harness.scenario.find import SCENARIOS_DIR
from harness.target import load_targets

# Examples of steps that leave their guest as it was.
_CELLS = (
    *("create-namespace", "destroy-namespaces", "features", "filesystem", "gup-test"),
    *("memory-model", "mmap", "page-metadata", "regions", "write-read"),
)
# Six times faster is a sixth of the time.
_BAR = 1 / 6


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.reuse", description=__doc__)
    parser.add_argument("--arch", default="ppc64-hash", choices=sorted(load_targets()))
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    shared, fresh = [], []
    for _ in range(options.pairs):
        shared.append(run(options.arch, options.kernel))
        fresh.append(run(options.arch, options.kernel, "--fresh"))
    peer = "ten cold boots"
    return conclude([Figure("ten cells in one guest", ratios(shared, fresh), "times", peer, _BAR)])


def run(arch: str, kernel: str, *options: str) -> float:
    """Seconds of a pytest run of ten cells. Raises CalledProcessError where one fails."""
    with tempfile.TemporaryDirectory(prefix="dx-bench-") as results:
        cells = [f"{SCENARIOS_DIR / 'steps.yaml'}::step-{name}[{arch}]" for name in _CELLS]
        command = [sys.executable, "-m", "pytest", "-q", *cells, "--results", results]
        command += ["-p", "no:cacheprovider", "--arch", arch, "--kernel", kernel]
        command += ["--guests", "1", *options]
        started = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
