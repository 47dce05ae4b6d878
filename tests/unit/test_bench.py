"""What is timed in bench/ still runs with what is shipped; how long it takes is not looked at."""

from __future__ import annotations

from bench.model import values_a_second


def test_every_shipped_scenario_can_be_predicted_for_its_figure() -> None:
    assert values_a_second(rounds=1) > 0
