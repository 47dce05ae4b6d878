"""A scenario by its name, wherever it stands in the scenario folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.errors import UserError, nearest
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import Scenario, load_scenarios
from harness.shipped import shipped
from harness.stand_ins import NO_STAND_INS, StandIns
from harness.target import load_targets

SCENARIOS_DIR = shipped("scenarios")
# Stands for every scenario that is one; pytest's mark of the same name chooses their cells.
CORE = "core"


def all_scenarios(directory: Path = SCENARIOS_DIR) -> Iterator[Scenario]:
    """Every scenario of every file, files by name."""
    for path in sorted(directory.glob("*.yaml")):
        yield from load_scenarios(path)


def find_scenario(name: str, directory: Path = SCENARIOS_DIR) -> Scenario:
    """The scenario of that name. Raises UserError that says which is nearest."""
    return _pick(name, {scenario.name: scenario for scenario in all_scenarios(directory)})


def choose_scenarios(names: Iterable[str] | None) -> tuple[Scenario, ...]:
    """The named scenarios, each once; ``core`` stands for all of those, no name for all there are.

    Raises UserError for a name that is none.
    """
    there_are = tuple(all_scenarios())
    if not names:
        return there_are
    known = {scenario.name: scenario for scenario in there_are}
    core = [scenario for scenario in there_are if scenario.body.core]
    picked = (core if name == CORE else [_pick(name, known)] for name in names)
    return tuple({s.name: s for scenarios in picked for s in scenarios}.values())


def _pick(name: str, known: Mapping[str, Scenario]) -> Scenario:
    if name not in known:
        raise UserError(f"no such scenario: {name!r}", hint=nearest(name, known))
    return known[name]


def choose_cells(
    arch: Iterable[str] | None,
    names: Iterable[str] | None,
    config: tuple[str, ...] = (),
    stand_ins: StandIns = NO_STAND_INS,
) -> tuple[Cell, ...]:
    """Cells of what ``choose_scenarios`` chooses on the named targets; None stands for all.

    ``config`` are fragments for every cell beyond the target's and the scenario's own.
    Raises UserError for a name that is none, and where no cell is left.
    """
    targets = {target.name: target for target in stand_ins.select(arch or ["all"], load_targets())}
    scenarios = choose_scenarios(names)
    cells = tuple(cell for scenario in scenarios for cell in expand(scenario, targets, config))
    if not cells:
        raise UserError(f"no such scenario runs on {', '.join(targets)}", hint="daxhound scenarios")
    return cells
