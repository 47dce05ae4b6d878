"""The scenarios that a command's word names, checked as pytest checks what it collects."""

from __future__ import annotations

from harness.kernel.fragments import fragment_names
from harness.scenario.expand import check_names
from harness.scenario.find import find_scenario, find_scenarios
from harness.scenario.schema import Scenario
from harness.target import load_targets


def named_scenario(word: str) -> Scenario:
    """The one scenario. Raises UserError where the word names none, or several."""
    scenario = find_scenario(word)
    check_names(scenario, load_targets(), fragment_names())
    return scenario


def named_scenarios(word: str) -> tuple[Scenario, ...]:
    """All of them. Raises UserError where the word names none."""
    scenarios = find_scenarios(word)
    for scenario in scenarios:
        check_names(scenario, load_targets(), fragment_names())
    return scenarios
