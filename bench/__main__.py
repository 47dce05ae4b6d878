"""Every figure of docs/performance.md, one after the other, whatever misses its bar.

.venv/bin/python -m bench --arch ppc64-hash
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from harness.target import load_targets

# Whether it is of one target; the longest comes last.
_FIGURES = {
    "collection": True,
    "model": False,
    "boots": False,
    "one_scenario": True,
    "reuse": True,
    "peers": False,
    "core": False,
    "memory": False,
    "memmap_nodes": False,
    "report_page": False,
    "storage": True,
    "incremental_build": True,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--arch", default="ppc64-hash", choices=sorted(load_targets()))
    options = parser.parse_args()
    # What is measured starts from compiled modules, as for whoever has not forbidden them.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    missed = []
    for name, of_one_target in _FIGURES.items():
        command = [sys.executable, "-m", f"bench.{name}"]
        command += ["--arch", options.arch] * of_one_target
        print(f"-- bench.{name}", flush=True)
        if subprocess.run(command, env=environment, check=False).returncode:
            missed.append(name)
    print(f"missed or broken: {', '.join(missed)}" if missed else "every bar holds")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
