"""Layouts that nobody tried before, against guests: random, legal, and written down.

    .venv/bin/python -m tests.fuzz --seed 7 --count 20 --arch ppc64-hash [-- pytest options]

Writes a scenario file for the seed and runs it; a cell that differs can be run again by its
name, and a file that is worth it can be kept. What no guest can have comes out unsupported.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import yaml

from harness.target import load_targets, select_targets
from tests.fuzz.layouts import random_scenario

_CONFTEST = "from harness.plugin import collect_scenarios as pytest_collect_file\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=10, help="layouts for each target")
    parser.add_argument("--arch", action="append", metavar="TARGET")
    parser.add_argument("--folder", type=Path, default=Path("results"))
    parser.add_argument("pytest", nargs="*", help="options for pytest, after --")
    options = parser.parse_args()
    targets = [
        target
        for target in select_targets(options.arch or ["all"], load_targets())
        if target.pmem is not None
    ]
    folder: Path = options.folder / f"fuzz-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    documents = [
        random_scenario(target, options.seed, index)
        for target in targets
        for index in range(options.count)
    ]
    path = folder / "random.yaml"
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    arch = ",".join(target.name for target in targets)
    command = [sys.executable, "-m", "pytest", str(path), "--arch", arch, *options.pytest]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
