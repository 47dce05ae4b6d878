"""docs/steps.md is what the code and the examples say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.scenario.reference import EXAMPLES, example_name, render_steps_markdown
from harness.scenario.schema import load_scenarios
from harness.scenario.steps import STEPS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/steps.md"


def test_the_document_is_current() -> None:
    written = DOCUMENT.read_text(encoding="utf-8")
    assert written == render_steps_markdown(), "write render_steps_markdown() to docs/steps.md"


@pytest.mark.parametrize("kind", STEPS)
def test_every_step_has_an_example_that_uses_it(kind: str) -> None:
    examples = {scenario.name: scenario for scenario in load_scenarios(EXAMPLES)}
    used = {next(iter(step)) for step in examples[example_name(kind)].body.steps}
    assert kind in used


def test_every_example_is_of_a_step() -> None:
    names = {example_name(kind) for kind in STEPS}
    assert {scenario.name for scenario in load_scenarios(EXAMPLES)} == names


def test_fields_tell_what_they_take_and_their_defaults() -> None:
    document = render_steps_markdown()
    assert "| `size` | a size | `64M` |" in document
    assert "| `mode` | `raw`, `sector`, `fsdax`, `devdax` | must be given |" in document
    assert "| `pages` | a list: a number | `[0]` |" in document
