"""What of a scenario that was drawn makes sense: the model tells which steps no guest could do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.records import KernelFacts
from harness.scenario.expand import expand
from harness.scenario.schema import Scenario, ScenarioDocument
from harness.scenario.steps import Step
from harness.target import Target
from harness.yaml_document import Document

_KERNELS = ("debian:6.1", "debian:6.12", "debian:7.2")


def only_legal(
    target: Target, scenario: dict[str, Any], steps: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The steps that a guest could do after those before them, whichever kernel it runs."""
    document = Document(Path("drawn"), {**scenario, "steps": list(steps)}, {})
    drawn = Scenario(document=document, body=document.read(ScenarioDocument))
    (cell,) = expand(drawn, {target.name: target})
    machines = [Machine(target, facts, cell.layout) for facts in _kernels(target.kernel.fragments)]
    kept: list[tuple[dict[str, Any], Step]] = []
    for words, step in zip(steps, cell.steps, strict=True):
        before = [other for _, other in kept]
        if all(_is_possible(machine, [*before, step]) for machine in machines):
            kept.append((words, step))
    return [words for words, _ in kept]


@cache
def _kernels(fragments: tuple[str, ...]) -> tuple[KernelFacts, ...]:
    return tuple(assumed_facts(parse_kernel_spec(kernel), fragments) for kernel in _KERNELS)


def _is_possible(machine: Machine, steps: Sequence[Step]) -> bool:
    try:
        return Model(machine).unsupported(steps) is None
    except UserError:
        return False
