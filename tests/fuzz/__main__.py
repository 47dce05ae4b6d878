"""Layouts that nobody tried before, against guests: random, legal, and written down.

    .venv/bin/python -m tests.fuzz --seed 7 --count 20 --arch ppc64-hash [-- pytest options]
    .venv/bin/python -m tests.fuzz --seed 7 --what devices          # of soft-reserved memory

Writes a scenario file for the seed and runs it; a cell that differs can be run again by its
name, and a file that is worth it can be kept. What no guest can have comes out unsupported.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.target import Target, load_targets, select_targets
from tests.fuzz.devices import random_devices
from tests.fuzz.layouts import random_scenario
from tests.support.scenarios import CONFTEST


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=10, help="layouts for each target")
    parser.add_argument("--what", choices=("layouts", "devices"), default="layouts")
    parser.add_argument("--arch", action="append", metavar="TARGET")
    parser.add_argument("--kernel", default="debian:6.1", metavar="SPEC")
    parser.add_argument("--folder", type=Path, default=Path("results"))
    parser.add_argument("pytest", nargs="*", help="options for pytest, after --")
    options = parser.parse_args()
    targets = [
        target
        for target in select_targets(options.arch or ["all"], load_targets())
        if (target.pmem if options.what == "layouts" else target.soft_reserved) is not None
    ]
    folder: Path = options.folder / f"fuzz-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    documents = [
        _scenario(options, target, index) for target in targets for index in range(options.count)
    ]
    path = folder / "random.yaml"
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    arch = ",".join(target.name for target in targets)
    command = [sys.executable, "-m", "pytest", str(path), "--arch", arch]
    command += ["--kernel", options.kernel, *options.pytest]
    return subprocess.run(command, check=False).returncode


def _scenario(options: argparse.Namespace, target: Target, index: int) -> dict[str, Any]:
    if options.what == "layouts":
        return random_scenario(target, options.seed, index)
    facts = assumed_facts(parse_kernel_spec(options.kernel), target.kernel.fragments)
    return random_devices(target, facts, options.seed, index)


if __name__ == "__main__":
    sys.exit(main())
