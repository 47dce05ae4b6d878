"""What was asked for is what the shipped scenarios do, and the page says what runs showed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.report.run import read_run
from harness.scenario.find import all_scenarios
from tests.coverage.families import Family, Thread, load_threads
from tests.coverage.page import render_coverage

SCENARIOS = {scenario.name for scenario in all_scenarios()}
FAMILIES = [family for thread in load_threads() for family in thread.asked]


def _run(directory: Path, *cells: dict[str, Any]) -> Path:
    entries = [
        {"id": f"a.yaml::{c['scenario']}[{number}]", "folder": str(number), **c}
        for number, c in enumerate(cells)
    ]
    document = {"schema": 1, "kernel": "debian:6.1", "cells": entries}
    (directory / "run.json").write_text(json.dumps(document))
    return directory


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.what)
def test_every_pattern_of_a_family_names_a_scenario(family: Family) -> None:
    for pattern in family.scenarios:
        one = Family(what=family.what, scenarios=(pattern,))
        assert any(one.has(name) for name in SCENARIOS), pattern


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_scenario_is_there_for_somebody(scenario: str) -> None:
    assert any(family.has(scenario) for family in FAMILIES), "add it to docs/coverage.yaml"


def test_a_table_says_what_became_of_each_family_on_each_target(tmp_path: Path) -> None:
    defect = {"rule": "defect.some", "statement": "it is broken"}
    ok = {"scenario": "one", "target": "arm64", "kernel": "6.1.1", "verdict": "ok", "compared": 5}
    run = _run(
        tmp_path,
        {**ok, "rules": ["a", "b"]},
        {**ok, "rules": ["b"], "known_defects": [defect]},
        {**ok, "target": "s390x", "verdict": "unsupported", "reason": "no pmem"},
        {**ok, "scenario": "two-more", "verdict": "mismatch"},
    )
    asked = (Family(what="first", scenarios=("one",)), Family(what="rest", scenarios=("two-*",)))
    page = render_coverage([Thread(thread="a thread", asked=asked)], [read_run(run)])
    assert "4 cells; 20 values compared by 2 rules" in page
    assert "| asked for | arm64 | s390x |" in page
    assert "| first | 2 (1 defect) | unsupported: 1 |" in page
    assert "| rest | **1 mismatch** | - |" in page
    assert "\n1. no pmem\n" in page
