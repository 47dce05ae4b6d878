"""What the harness adds to one scenario, and how soon its first verdict comes.

    .venv/bin/python -m bench.one_scenario --arch ppc64-hash

The peer is the same QEMU command line with the same commands run by a bare script, in turns
with pytest; both from nothing, kernel and image in the store. One scenario is as short as most,
the other's commands take some seconds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.bare import BareRun, bare_run, commands_of
from bench.figure import Figure, conclude, ratios
from harness.commands.named import choose_cells
from harness.report.results import folder_name
from harness.report.run import read_run
from harness.scenario.expand import Cell
from harness.scenario.find import SCENARIOS_DIR
from harness.target import load_targets

_SHORT, _LONG = "devdax-sizes", "churn"
_ADDED_SECONDS = 0.3
_ADDED_PART = 1.05
_FIRST_ANSWER = 1.3


@dataclass(frozen=True, slots=True)
class Pair:
    """One run by the harness and one by hand; seconds.

    ``answer`` is from Enter to the word PASSED, ``cell`` what run.json says of the cell.
    """

    answer: float
    cell: float
    bare: BareRun


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.one_scenario", description=__doc__)
    parser.add_argument("--arch", default="ppc64-hash", choices=sorted(load_targets()))
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    return conclude(figures(options.arch, options.kernel, options.pairs))


def figures(arch: str, kernel: str, repeats: int) -> Iterator[Figure]:
    short, long = choose_cells([arch], [_SHORT])[0], choose_cells([arch], [_LONG])[0]
    pairs = [measure(short, kernel) for _ in range(repeats)]
    yield from _added(_SHORT, pairs)
    yield from _first_answer(pairs)
    yield from _added(_LONG, [measure(long, kernel) for _ in range(repeats)])


def _added(name: str, pairs: list[Pair]) -> Iterator[Figure]:
    cells = [pair.cell for pair in pairs]
    bare = [pair.bare.whole for pair in pairs]
    added = tuple(cell - other for cell, other in zip(cells, bare, strict=True))
    peer = "the same guest and commands by a bare script"
    yield Figure(f"added to {name}", added, "s", peer, _ADDED_SECONDS)
    yield Figure(name, ratios(cells, bare), "times", peer, _ADDED_PART)


def _first_answer(pairs: list[Pair]) -> Iterator[Figure]:
    answers = [pair.answer for pair in pairs]
    boots = [pair.bare.prompt for pair in pairs]
    first = ratios(answers, boots)
    yield Figure("Enter to the first verdict", first, "times", "a bare boot", _FIRST_ANSWER)
    yield Figure("a bare boot", tuple(boots), "s")


def measure(cell: Cell, kernel: str) -> Pair:
    """One pair. Raises CalledProcessError where the cell does not pass."""
    with tempfile.TemporaryDirectory(prefix="dx-bench-") as name:
        results = Path(name)
        command = [sys.executable, "-m", "pytest", "-v", str(SCENARIOS_DIR / cell.path.name)]
        command += ["-p", "no:cacheprovider", "--arch", cell.target.name, "--kernel", kernel]
        command += ["-k", cell.name, "--results", str(results)]
        answer = _until_passed(command)
        seconds = _cell_seconds(results)
        return Pair(answer, seconds, bare_run(cell, kernel, _commands(results, cell)))


def _until_passed(command: list[str]) -> float:
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        answers = [time.monotonic() - started for line in run.stdout if "PASSED" in line]
    if run.returncode or not answers:
        raise subprocess.CalledProcessError(run.returncode, command)
    return answers[0]


def _cell_seconds(results: Path) -> float:
    (cell,) = read_run(results).cells
    return cell.entry.seconds


def _commands(results: Path, cell: Cell) -> list[str]:
    return commands_of(results / folder_name(cell.id))


if __name__ == "__main__":
    sys.exit(main())
