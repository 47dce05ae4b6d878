"""The scenarios and cells that a command's words name, checked as pytest checks what it has."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping

from harness.kernel.fragments import fragment_names, select_fragments
from harness.scenario.expand import Cell, check_names
from harness.scenario.find import cells_on, choose_scenarios, find_scenario, find_scenarios
from harness.scenario.schema import Scenario
from harness.stand_ins import NO_STAND_INS, StandIns
from harness.target import Target, load_targets


def named_scenario(word: str, known: Mapping[str, Target]) -> Scenario:
    """The one scenario, of the ``known`` targets. Raises UserError where it is none, or several."""
    scenario = find_scenario(word)
    check_names(scenario, known, fragment_names())
    return scenario


def named_scenarios(word: str, known: Mapping[str, Target]) -> tuple[Scenario, ...]:
    """All of them, of the ``known`` targets. Raises UserError where the word names none."""
    return _checked(find_scenarios(word), known)


def chosen_cells(options: Namespace, stand_ins: StandIns = NO_STAND_INS) -> tuple[Cell, ...]:
    """Cells that ``--arch``, ``--scenario`` and ``--config`` choose, as :func:`choose_cells`."""
    config = select_fragments(options.config)
    return choose_cells(options.arch, options.scenario, config, stand_ins)


def choose_cells(
    arch: Iterable[str] | None,
    words: Iterable[str] | None,
    config: tuple[str, ...] = (),
    stand_ins: StandIns = NO_STAND_INS,
) -> tuple[Cell, ...]:
    """Cells of what ``choose_scenarios`` chooses on the named targets; None stands for all.

    ``config`` are fragments for every cell beyond the target's and the scenario's own.
    Raises UserError for a word that names nothing, and where no cell is left.
    """
    known = load_targets()
    targets = {target.name: target for target in stand_ins.select(arch or ["all"], known)}
    scenarios = choose_scenarios(words)
    if words:
        _checked(scenarios, known)
    return cells_on(targets, scenarios, known, config)


def _checked(scenarios: tuple[Scenario, ...], known: Mapping[str, Target]) -> tuple[Scenario, ...]:
    fragments = fragment_names()
    for scenario in scenarios:
        check_names(scenario, known, fragments)
    return scenarios
