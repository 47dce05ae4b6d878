"""A scenario by its name, wherever it stands in the scenario folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.errors import UserError, nearest
from harness.scenario.schema import Scenario, load_scenarios

SCENARIOS_DIR = Path(__file__).resolve().parents[2] / "scenarios"


def all_scenarios(directory: Path = SCENARIOS_DIR) -> Iterator[Scenario]:
    """Every scenario of every file, files by name."""
    for path in sorted(directory.glob("*.yaml")):
        yield from load_scenarios(path)


def find_scenario(name: str, directory: Path = SCENARIOS_DIR) -> Scenario:
    """The scenario of that name. Raises UserError that says which is nearest."""
    found = {scenario.name: scenario for scenario in all_scenarios(directory)}
    if name not in found:
        raise UserError(f"no such scenario: {name!r}", hint=nearest(name, found))
    return found[name]
