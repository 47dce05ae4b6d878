"""Scenarios by name, wherever they stand in the scenario folder, or by a file of one's own."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import UserError, nearest
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import Scenario, load_scenarios
from harness.shipped import shipped, shown, typed
from harness.target import Target

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
    known = {} if is_file(word) else {s.name: s for s in all_scenarios(directory)}
    return _named(word, known)


def _named(word: str, known: Mapping[str, Scenario]) -> tuple[Scenario, ...]:
    return _of_file(word) if is_file(word) else _pick(word, known)


def _of_file(word: str) -> tuple[Scenario, ...]:
    file, _, name = word.partition("::")
    there = {s.name: s for s in load_scenarios(typed(file))}
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
    """The scenarios that words name, each once; no word for all that are shipped.

    ``core`` stands for all of those, any other word for what :func:`find_scenarios` makes of it.
    Raises UserError for a word that names none.
    """
    there_are = tuple(all_scenarios())
    if not names:
        return there_are
    known = {scenario.name: scenario for scenario in there_are}
    core = tuple(scenario for scenario in there_are if scenario.body.core)
    picked = (core if name == CORE else _named(name, known) for name in names)
    return tuple(
        {(s.path.resolve(), s.name): s for scenarios in picked for s in scenarios}.values()
    )


def in_pytests_words(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The cells' scenarios, each once, as pytest takes them in the current folder."""
    return tuple(dict.fromkeys(f"{shown(cell.path)}::{cell.scenario}" for cell in cells))


def word_for(cell: Cell) -> str:
    """What names the cell's scenario on a command line in the current folder."""
    if cell.path.resolve().parent == SCENARIOS_DIR:
        return cell.scenario
    return f"{shown(cell.path)}::{cell.scenario}"


def _pick(name: str, known: Mapping[str, Scenario]) -> tuple[Scenario, ...]:
    found = tuple(s for s in known.values() if fnmatch.fnmatchcase(s.name, name))
    if not found:
        close = difflib.get_close_matches(name, known, n=_MOST_NEAR)
        listed = "daxhound scenarios lists all"
        hint = f"{' or '.join(close)}; {listed}" if close else listed
        raise UserError(f"no such scenario: {name!r}", hint=hint)
    return found


def cells_on(
    targets: Mapping[str, Target],
    scenarios: Sequence[Scenario],
    known: Mapping[str, Target],
    config: tuple[str, ...] = (),
) -> tuple[Cell, ...]:
    """Cells of the scenarios on the targets.

    Raises UserError where there is none, which names those of the ``known`` that have some, and
    what :func:`check_distinct` raises.
    """
    check_distinct(scenarios, {})
    cells = tuple(cell for scenario in scenarios for cell in expand(scenario, targets, config))
    if not cells:
        elsewhere = (c for s in scenarios for c in expand(s, known, config))
        where = ", ".join(dict.fromkeys(cell.target.name for cell in elsewhere))
        message = f"none of {len(scenarios)} scenarios runs on {', '.join(targets)}"
        if len(scenarios) == 1:
            message = f"{scenarios[0].name} does not run on {', '.join(targets)}"
        raise UserError(message, hint=where or "other targets in the scenario")
    return cells


def check_distinct(scenarios: Iterable[Scenario], files: dict[str, Path]) -> None:
    """Two files' scenarios may not have one name for their results; UserError where they do.

    ``files`` are those of the scenarios that were checked before, by that name; these join them.
    """
    for scenario in scenarios:
        name = f"{scenario.path.name}::{scenario.name}"
        other = files.setdefault(name, scenario.path)
        if other != scenario.path and other.resolve() != scenario.path.resolve():
            hint = "another name for one of the files, or for the scenario"
            raise scenario.document.error(("scenario",), f"{shown(other)} has it as well", hint)
