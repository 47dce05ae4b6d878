"""Is a known regression found among harmless patches? Bisects a series for each, on guests.

    .venv/bin/python -m tests.bisects [NAME...] [--kernel SPEC] [--seed N] [--count N]

Hides each patch of ``series/`` at a place of its own among others that change nothing, and
has ``daxhound bisect`` look for it with the scenario that catches it. Ends with 1 where
another patch was named, or none.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.kernel.source import Source, provide_source
from harness.kernel.spec import parse_kernel_spec
from harness.machine.termination import orderly_termination
from harness.progress import Progress
from harness.report.results import new_run_directory
from harness.store import Store
from tests.support.harmless import harmless_patches, hide, write_series
from tests.support.regressions import CAUGHT_BY, regression_patch, regressions

_NAMED = re.compile(r"^(?P<cell>\S+): broken by patch (?P<patch>\d+): ", re.MULTILINE)
_BUILT = re.compile(r"building .* with patches: done in (?P<seconds>\d+) s$", re.MULTILINE)
_KERNEL = re.compile(r"@(?P<position>base|\d+)(?:~\d+)?$")


@dataclass(frozen=True, slots=True)
class Hunt:
    """One regression looked for: ``named`` has the patch that each broken cell was put down to.

    ``kernels`` is how many were run, ``built`` how many of them nobody had built before.
    """

    name: str
    position: int
    named: dict[str, int]
    kernels: int
    built: int
    build_seconds: int
    seconds: float

    @property
    def found(self) -> bool:
        return bool(self.named) and set(self.named.values()) == {self.position}

    def __str__(self) -> str:
        scenario, target = CAUGHT_BY[self.name]
        named = ", ".join(f"{patch} ({cell})" for cell, patch in self.named.items()) or "none"
        return (
            f"{'found' if self.found else 'MISSED':8}{self.name:21}{scenario} on {target}: "
            f"hidden at {self.position}, named {named}; {self.kernels} kernels run, "
            f"{self.built} built in {self.build_seconds} s, {self.seconds:.0f} s in all"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bisects", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of series/")
    parser.add_argument("--kernel", default="debian:6.1", metavar="SPEC")
    parser.add_argument("--seed", type=int, default=0, help="other places to hide at")
    parser.add_argument("--count", type=int, default=10, help="harmless patches around each")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(CAUGHT_BY))
    if unknown:
        parser.error(f"no such regression: {', '.join(unknown)}; known: {', '.join(CAUGHT_BY)}")
    source = provide_source(parse_kernel_spec(options.kernel), Store.default(), Progress())
    folder = new_run_directory(Path("results"))
    hunts = []
    with orderly_termination():  # ended from outside, it takes the bisection with it
        for hunt in _hunts(source, options, folder):
            print(hunt, flush=True)
            hunts.append(hunt)
    print(f"{sum(hunt.found for hunt in hunts)} of {len(hunts)} put down to the right patch")
    return 0 if all(hunt.found for hunt in hunts) else 1


def _hunts(source: Source, options: argparse.Namespace, folder: Path) -> Iterator[Hunt]:
    harmless = harmless_patches(source.path, options.count)
    for name in options.names or regressions(source.version[:2]):
        position = random.Random(f"{options.seed} {name}").randint(1, options.count + 1)
        patch = regression_patch(name, source.version[:2]).read_text(encoding="utf-8")
        series = folder / name / "series"
        write_series(hide(harmless, patch, position), series)
        yield _hunt(name, position, series, options.kernel)


def _hunt(name: str, position: int, series: Path, kernel: str) -> Hunt:
    scenario, target = CAUGHT_BY[name]
    results = series.parent / "results"
    command = [sys.executable, "-m", "harness.cli", "bisect", "--series", str(series)]
    command += ["--scenario", scenario, "--arch", target, "--kernel", kernel]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--results", str(results)], capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started
    (series.parent / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    built = [int(found["seconds"]) for found in _BUILT.finditer(done.stderr)]
    return Hunt(
        name=name,
        position=position,
        named={found["cell"]: int(found["patch"]) for found in _NAMED.finditer(done.stdout)},
        kernels=len({found["position"] for found in map(_KERNEL.search, _cells(results)) if found}),
        built=len(built),
        build_seconds=sum(built),
        seconds=seconds,
    )


def _cells(results: Path) -> list[str]:
    return [path.name for path in results.iterdir() if path.is_dir()]


if __name__ == "__main__":
    sys.exit(main())
