"""What the model expects of cells that nobody has run: no guest, no kernel build."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.campaign.supported import why_unsupported
from harness.kernel.assumed import assumed_facts
from harness.kernel.fragments import check_needs, load_fragments
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.records import Expected, Prediction
from harness.report.results import expected_to_json
from harness.report.text import render_value
from harness.scenario.expand import Cell
from harness.store import Store


@dataclass(frozen=True, slots=True)
class CellPrediction:
    """One cell's steps, predicted in order; ``unsupported`` is the reason where it is."""

    id: str
    unsupported: str | None
    steps: tuple[Prediction, ...]


def predict_cells(cells: Iterable[Cell], kernel: str) -> Iterator[CellPrediction]:
    """Predictions from the kernel's version and fragments, as if every symbol had taken.

    Where its source is in the store already, that is asked rather than the version.
    """
    spec, store = parse_kernel_spec(kernel), Store.default()
    for cell in cells:
        fragments = (*cell.target.kernel.fragments, *cell.config)
        check_needs(load_fragments(fragments), cell.target)
        facts = assumed_facts(spec, (*fragments, *cell.wished), store)
        model = Model(Machine(cell.target, facts, cell.layout))
        unsupported = why_unsupported(model, cell)
        yield CellPrediction(cell.id, unsupported, () if unsupported else _steps(model, cell))


def _steps(model: Model, cell: Cell) -> tuple[Prediction, ...]:
    """Up to the step, if any, that the kernel must complain in."""
    steps: list[Prediction] = []
    for step in cell.steps:
        steps.append(model.predict(step))
        if steps[-1].ends_cell:
            break
    return tuple(steps)


def render_predictions(
    predictions: Iterable[CellPrediction], *, explain: bool, as_json: bool
) -> str:
    """Text for people, or JSON for programs."""
    if as_json:
        return json.dumps([_to_json(prediction) for prediction in predictions], indent=1)
    return "\n".join(line for cell in predictions for line in _lines(cell, explain))


def _to_json(cell: CellPrediction) -> dict[str, Any]:
    steps = [
        {
            "step": step.step,
            "expected": [expected_to_json(expected) for expected in step.expected],
        }
        for step in cell.steps
    ]
    return {"id": cell.id, "unsupported": cell.unsupported, "steps": steps}


def _lines(cell: CellPrediction, explain: bool) -> Iterator[str]:
    yield cell.id
    if cell.unsupported:
        yield f"  unsupported: {cell.unsupported}"
    for step in cell.steps:
        yield f"  {step.step}"
        for expected in step.expected:
            relation = "=" if expected.relation == "==" else expected.relation
            value = render_value(expected.value)
            known = ", a known defect" if expected.rule.defect else ""
            yield f"    {expected.name} {relation} {value}  [{expected.rule.id}{known}]"
            if explain:
                yield from _explanation(expected)


def _explanation(expected: Expected) -> Iterator[str]:
    yield f"        {expected.rule.statement}"
    if expected.because:
        yield f"        {expected.because}"
    yield f"        source: {expected.rule.source}"
