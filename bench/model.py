"""How fast the model is: values predicted a second, and one prediction's start-up.

    .venv/bin/python bench/model.py

The bar is 50,000 predicted values a second on one core, and a prediction on the command
line in under half a second of processor time, start-up included. There is no peer to hold
it against; a guest shows some ten values a second.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import load_scenarios
from harness.scenario.steps import Step
from harness.target import load_targets

VALUES_A_SECOND = 50_000
STARTUP_SECONDS = 0.5

_SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
_ROUNDS = 50
_STARTS = 5


def main() -> int:
    """Print both figures; 1 where one misses its bar."""
    rate = values_a_second()
    startup = startup_seconds()
    print(f"model: {rate:,.0f} predicted values a second (bar {VALUES_A_SECOND:,})")
    print(f"daxhound predict: {startup:.2f} s of one processor (bar {STARTUP_SECONDS} s)")
    return 0 if rate >= VALUES_A_SECOND and startup < STARTUP_SECONDS else 1


def values_a_second(rounds: int = _ROUNDS) -> float:
    """Every shipped scenario on every target that has what it needs, predicted over and over."""
    cells = ((_machine(cell), cell.steps) for cell in _cells())
    prepared = [(machine, steps) for machine, steps in cells if not _lacks(machine, steps)]
    values = 0
    started = time.process_time()
    for _ in range(rounds):
        for machine, steps in prepared:
            model = Model(machine)
            values += sum(len(model.predict(step).expected) for step in steps)
    return values / (time.process_time() - started)


def startup_seconds() -> float:
    """Processor time of one ``daxhound predict``, the least of some runs."""
    command = [sys.executable, "-m", "harness.cli", "predict", "devdax-map-mem"]
    spent = []
    for _ in range(_STARTS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "--arch", "ppc64-hash"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(spent)


def _cells() -> list[Cell]:
    targets = load_targets()
    scenarios = [s for path in sorted(_SCENARIOS.glob("*.yaml")) for s in load_scenarios(path)]
    return [cell for scenario in scenarios for cell in expand(scenario, targets)]


def _lacks(machine: Machine, steps: Sequence[Step]) -> bool:
    return Model(machine).unsupported(steps) is not None


def _machine(cell: Cell) -> Machine:
    fragments = (*cell.target.kernel.fragments, *cell.config)
    return Machine(
        cell.target, assumed_facts(parse_kernel_spec("debian:6.1"), fragments), cell.layout
    )


if __name__ == "__main__":
    sys.exit(main())
