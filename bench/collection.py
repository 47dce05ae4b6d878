"""How long a fresh interpreter takes to collect a thousand cells, and one whole warm look-up.

    .venv/bin/python -m bench.collection

The limits are fixed; beside them stands what pytest alone takes to collect one empty test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import Figure, conclude
from harness.campaign.provide import Needs, Provider
from harness.commands.named import choose_cells
from harness.progress import Progress
from harness.scenario.find import SCENARIOS_DIR
from harness.store import Store
from harness.target import load_targets

_CELLS = 1000
_COLLECT_SECONDS = 2.0
_FOUND_SECONDS = 0.2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.collection", description=__doc__)
    parser.add_argument("--arch", default="ppc64-hash", choices=sorted(load_targets()))
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dx-bench-") as name:
        directory = Path(name)
        write_scenarios(directory / "cells")
        (directory / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        cells, nothing = [], []
        for _ in range(options.repeats):
            cells.append(collect(directory / "cells", "--arch", options.arch))
            nothing.append(collect(directory / "test_nothing.py", "-p", "no:daxhound"))
    found = [look_up(options.arch, options.kernel) for _ in range(options.repeats)]
    return conclude(
        (
            Figure(f"collecting {_CELLS} cells", tuple(cells), "s", bar=_COLLECT_SECONDS),
            Figure("pytest alone, one empty test", tuple(nothing), "s"),
            Figure("cells, kernel and image found", tuple(found), "s", bar=_FOUND_SECONDS),
        )
    )


def write_scenarios(directory: Path) -> None:
    """Scenarios of a thousand cells on one target, with the conftest.py of those shipped."""
    directory.mkdir()
    conftest = (SCENARIOS_DIR / "conftest.py").read_text(encoding="utf-8")
    (directory / "conftest.py").write_text(conftest, encoding="utf-8")
    sizes = ", ".join(f"{16 * number}M" for number in range(1, _CELLS // 20 + 1))
    documents = (
        f"scenario: many-{number}\nsummary: one of many\nlayout: {{pmem: [{{size: 1G}}]}}\n"
        f"parameters: {{size: [{sizes}]}}\n"
        "steps:\n  - create-namespace: {mode: devdax, map: mem, align: pmd, size: $size}\n"
        for number in range(20)
    )
    (directory / "many.yaml").write_text("---\n".join(documents), encoding="utf-8")


def collect(path: Path, *options: str) -> float:
    """Seconds of ``pytest --collect-only`` in a new interpreter."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    # As this project's own configuration has it: hypothesis loads all of itself at the end.
    command += ["-p", "no:hypothesispytest", *options]
    started = time.monotonic()
    subprocess.run(
        [*command, "--rootdir", str(path.parent), str(path)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - started


def look_up(arch: str, kernel: str) -> float:
    """Seconds to read the shipped scenarios and to find kernel and image in the store."""
    started = time.monotonic()
    cell = choose_cells([arch], None)[0]
    Provider(Store.default(), kernel, Progress()).provide(Needs.of(cell))
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
