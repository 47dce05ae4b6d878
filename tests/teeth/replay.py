"""Guest runs that were recorded, held against the model once more, whatever the model now is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.campaign.provide import Needs, Provider
from harness.compare import compare
from harness.errors import UserError
from harness.kernel.assumed import assumed_facts
from harness.model import Machine, Model
from harness.records import KERNEL_REPORT, KernelFacts, Observation, Prediction
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import load_scenarios
from harness.scenario.steps import ABSENCE, Step
from harness.target import load_targets

_SHOWN = ("ok", "unsupported", "mismatch")

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that the model gets wrong; ``rule`` is the one that it has in the right model."""

    rule: str
    value: str


@dataclass(frozen=True, slots=True)
class Recording:
    """One cell that a guest went through, and what it showed at each step, itself first."""

    cell: Cell
    facts: KernelFacts
    steps: tuple[Step, ...]
    observations: tuple[Observation, ...]
    rules: Mapping[tuple[int, str], str]

    @classmethod
    def of(
        cls,
        cell: Cell,
        facts: KernelFacts,
        steps: tuple[Step, ...],
        observations: tuple[Observation, ...],
    ) -> Recording:
        """To be made while the model is right: whose values are which rule's is kept."""
        recording = cls(cell, facts, steps, observations, {})
        rules = {
            (index, expected.name): expected.rule.id
            for index, prediction in enumerate(recording._predictions())
            for expected in prediction.expected
        }
        return replace(recording, rules=rules)

    def differences(self) -> Iterator[Difference]:
        """Everything that the model, as it is now, gets wrong.

        A step that the model then calls impossible, or makes no sense of, counts as wrong, too.
        """
        predictions = self._predictions()
        reached = len(predictions) - self.cell.needs_guest
        if reached < len(self.steps):
            yield Difference("refused", f"{self.cell.id} {self.steps[reached].kind}")
        for index, (prediction, seen) in enumerate(
            zip(predictions, self.observations, strict=False)
        ):
            if prediction.unsupported is not None and len(self.steps) > 1:
                yield Difference("unsupported", prediction.unsupported)
            for mismatch in compare(prediction, seen).mismatches:
                name = mismatch.expected.name
                complaint = self.rules.get((index, KERNEL_REPORT), mismatch.expected.rule.id)
                rule = self.rules.get((index, name), complaint)
                yield Difference(rule, f"{self.cell.id} {name}")

    def _predictions(self) -> list[Prediction]:
        """What the model makes of the steps, up to one that it refuses."""
        model = Model(Machine(self.cell.target, self.facts, self.cell.layout))
        predictions = [model.guest()] if self.cell.needs_guest else []
        with suppress(UserError):
            for step in self.steps:
                predictions.append(model.predict(step))
        return predictions


def load_recordings(results: Path, provider: Provider) -> list[Recording]:
    """Every cell of a run whose guest and harness did not fail.

    Mismatches, too: the right model must have learnt from them since.
    """
    run = json.loads((results / "run.json").read_text(encoding="utf-8"))
    cells = {cell.id: cell for cell in _all_cells(tuple(run.get("config", ())))}
    recordings = []
    for entry in run["cells"]:
        if entry["verdict"] not in _SHOWN or entry["id"] not in cells:
            continue
        cell = cells[entry["id"]]
        lines = (results / entry["folder"] / "steps.jsonl").read_text(encoding="utf-8")
        observations = tuple(_observations(lines))
        absent = entry["verdict"] == "unsupported" and [o.step for o in observations[1:]] != [
            step.kind for step in cell.steps
        ]
        steps = ABSENCE if absent else cell.steps
        recordings.append(Recording.of(cell, _facts(cell, provider), steps, observations))
    return recordings


def _facts(cell: Cell, provider: Provider) -> KernelFacts:
    if cell.needs_guest:
        return provider.provide(Needs.of(cell)).kernel.facts
    asked = (*cell.target.kernel.fragments, *cell.config, *cell.wished)
    return assumed_facts(provider.spec, asked, provider.store)


def _all_cells(config: tuple[str, ...]) -> Iterator[Cell]:
    targets = load_targets()
    for path in sorted(SCENARIOS.glob("*.yaml")):
        for scenario in load_scenarios(path):
            yield from expand(scenario, targets, config)


def _observations(lines: str) -> Iterator[Observation]:
    for line in lines.splitlines():
        step = json.loads(line)
        yield Observation(step["step"], step["observation"])
