"""The scenarios that a command's word names, checked as pytest checks what it collects."""

from __future__ import annotations

from collections.abc import Mapping

from harness.kernel.fragments import fragment_names
from harness.scenario.expand import check_names
from harness.scenario.find import find_scenario, find_scenarios
from harness.scenario.schema import Scenario
from harness.target import Target


def named_scenario(word: str, known: Mapping[str, Target]) -> Scenario:
    """The one scenario, of the ``known`` targets. Raises UserError where it is none, or several."""
    scenario = find_scenario(word)
    check_names(scenario, known, fragment_names())
    return scenario


def named_scenarios(word: str, known: Mapping[str, Target]) -> tuple[Scenario, ...]:
    """All of them, of the ``known`` targets. Raises UserError where the word names none."""
    scenarios, fragments = find_scenarios(word), fragment_names()
    for scenario in scenarios:
        check_names(scenario, known, fragments)
    return scenarios
