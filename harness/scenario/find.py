"""Scenarios by name, wherever they stand in the scenario folder, or by a file of one's own."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import UserError, nearest
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import Scenario, load_scenarios
from harness.shipped import shipped
from harness.stand_ins import NO_STAND_INS, StandIns
from harness.target import Target, load_targets

SCENARIOS_DIR = shipped("scenarios")
# Stands for every scenario that is one; pytest's mark of the same name chooses their cells.
CORE = "core"
SUFFIXES = (".yaml", ".yml")
_MOST_NEAR = 3


def all_scenarios(directory: Path = SCENARIOS_DIR) -> Iterator[Scenario]:
    """Every scenario of every file, files by name."""
    for path in sorted(directory.glob("*.yaml")):
        yield from load_scenarios(path)


def find_scenario(name: str, directory: Path = SCENARIOS_DIR) -> Scenario:
    """The one scenario that a word names, as :func:`find_scenarios` reads it."""
    first, *others = find_scenarios(name, directory)
    if others:
        names = ", ".join(scenario.name for scenario in (first, *others))
        one = f"{name}::{first.name}" if is_file(name) else first.name
        raise UserError(f"{name} is {len(others) + 1} scenarios: {names}", hint=one)
    return first


def find_scenarios(word: str, directory: Path = SCENARIOS_DIR) -> tuple[Scenario, ...]:
    """Those that a word names: by name, by a pattern of names, or in a YAML file anywhere.

    ``FILE.yaml::NAME`` is one of a file's. Raises UserError that says which is nearest.
    """
    if not is_file(word):
        return _pick(word, {scenario.name: scenario for scenario in all_scenarios(directory)})
    file, _, name = word.partition("::")
    there = {s.name: s for s in load_scenarios(Path(file).expanduser())}
    if not there:
        raise UserError("has no scenario", path=Path(file))
    if not name:
        return tuple(there.values())
    if name not in there:
        raise UserError(f"no such scenario: {name!r}", path=Path(file), hint=nearest(name, there))
    return (there[name],)


def is_file(word: str) -> bool:
    """Whether a word names a scenario by its file."""
    return Path(word.partition("::")[0]).suffix in SUFFIXES


def choose_scenarios(names: Iterable[str] | None) -> tuple[Scenario, ...]:
    """The scenarios named, by pattern or by name, each once; no name for all there are.

    ``core`` stands for all of those. Raises UserError for a name that is none.
    """
    there_are = tuple(all_scenarios())
    if not names:
        return there_are
    known = {scenario.name: scenario for scenario in there_are}
    core = tuple(scenario for scenario in there_are if scenario.body.core)
    picked = (core if name == CORE else _pick(name, known) for name in names)
    return tuple({s.name: s for scenarios in picked for s in scenarios}.values())


def _pick(name: str, known: Mapping[str, Scenario]) -> tuple[Scenario, ...]:
    found = tuple(s for s in known.values() if fnmatch.fnmatchcase(s.name, name))
    if not found:
        close = difflib.get_close_matches(name, known, n=_MOST_NEAR)
        listed = "daxhound scenarios lists all"
        hint = f"{' or '.join(close)}; {listed}" if close else listed
        if is_file(name):
            hint = "a name: a file of one's own is for pytest, predict, qemu and shell"
        raise UserError(f"no such scenario: {name!r}", hint=hint)
    return found


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
    known = load_targets()
    targets = {target.name: target for target in stand_ins.select(arch or ["all"], known)}
    return cells_on(targets, choose_scenarios(names), known, config)


def cells_on(
    targets: Mapping[str, Target],
    scenarios: Sequence[Scenario],
    known: Mapping[str, Target],
    config: tuple[str, ...] = (),
) -> tuple[Cell, ...]:
    """Cells of the scenarios on the targets.

    Raises UserError where there is none, which names those of the ``known`` that have some.
    """
    cells = tuple(cell for scenario in scenarios for cell in expand(scenario, targets, config))
    if not cells:
        elsewhere = (c for s in scenarios for c in expand(s, known, config))
        where = ", ".join(dict.fromkeys(cell.target.name for cell in elsewhere))
        message = f"none of {len(scenarios)} scenarios runs on {', '.join(targets)}"
        if len(scenarios) == 1:
            message = f"{scenarios[0].name} does not run on {', '.join(targets)}"
        raise UserError(message, hint=where or "other targets in the scenario")
    return cells
