"""The format of a scenario document, before parameters and targets are put in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import pydantic

from harness.errors import BadValue, nearest
from harness.mistakes import LIST_HINT, told
from harness.scenario.step import Index, Whole
from harness.scenario.steps import STEPS
from harness.yaml_document import Document, Location, Record, load_documents

_WORD = re.compile("[a-z0-9]+")
_NAME = re.compile(f"{_WORD.pattern}(-{_WORD.pattern})*")
Template: TypeAlias = str | int | bool
_Values: TypeAlias = Annotated[tuple[Template, ...], pydantic.Field(min_length=1)]


class PmemTemplate(Record):
    """One nvdimm: usable ``size``, ``label`` area, first address ``at``; sizes or ``$name``.

    ``node`` is the memory node that it is put on.
    """

    size: Template
    label: Template | None = None
    at: Template | None = None
    node: Index | None = None


class SoftReservedTemplate(Record):
    """A part of ``ram`` that the kernel is told to set aside: ``size``, and ``at`` its start."""

    size: Template
    at: Template | None = None


class LayoutTemplate(Record):
    """The guest's memory: ``ram``, or the RAM of each of its ``nodes``; pmem devices; CPUs.

    All nodes but the first may have none (0), and devices all the same. Of that RAM
    ``soft_reserved`` is set aside. ``region_idle`` asks the kernel to leave its regions without
    a device.
    """

    ram: Template | None = None
    nodes: tuple[Template, ...] = ()
    cpus: Annotated[Whole, pydantic.Field(ge=1, le=8)] = 2
    pmem: tuple[PmemTemplate, ...] = ()
    soft_reserved: tuple[SoftReservedTemplate, ...] = ()
    region_idle: bool = False


def _scenario_name(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    message = f"{name!r} is no name: words of small letters and digits, with - between"
    raise BadValue(message, "-".join(_WORD.findall(name.lower())) or None)


class ScenarioDocument(Record):
    """One YAML document.

    ``core`` is for those few that a change is tried on first. ``targets`` is ``all`` or a list
    of names; ``variants`` tells whether it is for variants of
    them as well. ``config`` are fragments that its kernels get; ``needs_config`` those that a run
    must have chosen, or else its cell is one that is unsupported.
    """

    scenario: Annotated[str, pydantic.AfterValidator(_scenario_name)]
    summary: str
    core: bool = False
    targets: tuple[str, ...] | str = "all"
    variants: bool = True
    config: tuple[str, ...] = ()
    needs_config: tuple[str, ...] = ()
    needs_vmemmap_optimisation: bool = False
    layout: LayoutTemplate = LayoutTemplate()
    parameters: dict[str, _Values] = pydantic.Field(default_factory=dict)
    steps: tuple[dict[str, Any], ...]

    @pydantic.field_validator("steps", mode="before")
    @classmethod
    def _has_steps(cls, steps: Any) -> Any:
        if not steps or not isinstance(steps, list):
            raise BadValue("no list of steps", LIST_HINT)
        return steps


class Scenario(Record):
    """A document that was read, with the text it came from for later errors."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True, frozen=True)

    document: Document
    body: ScenarioDocument

    @property
    def name(self) -> str:
        return self.body.scenario

    @property
    def path(self) -> Path:
        return self.document.path

    @cached_property
    def step_lines(self) -> tuple[dict[str, int], ...]:
        """Of each step where its fields stand, by name, and where it begins, by ""."""
        return tuple(
            self._lines(("steps", index, kind), fields or {})
            for index, step in enumerate(self.body.steps)
            for kind, fields in step.items()
        )

    def _lines(self, at: Location, names: Iterable[str]) -> dict[str, int]:
        places = {"": at} | {name: (*at, name) for name in names}
        return {name: self.document.line(place) or 1 for name, place in places.items()}


def load_scenarios(path: Path) -> list[Scenario]:
    """Every scenario of one file. Raises UserError with file, line and field."""
    scenarios: list[Scenario] = []
    for document in load_documents(path):
        if not isinstance(document.data, dict):
            hint = "scenario: NAME, on a line of its own, and other fields below it"
            raise document.error((), "a scenario is a mapping", hint)
        scenario = Scenario(document=document, body=document.read(ScenarioDocument))
        first = next((other for other in scenarios if other.name == scenario.name), None)
        if first is not None:
            message = f"second scenario named {scenario.name!r}"
            hint = f"a name of its own; the first is in line {first.document.line(('scenario',))}"
            raise document.error(("scenario",), message, hint)
        _check_step_kinds(scenario)
        _check_values(scenario)
        scenarios.append(scenario)
    return scenarios


def _check_step_kinds(scenario: Scenario) -> None:
    for index, step in enumerate(scenario.body.steps):
        at = ("steps", index)
        kind, fields = next(iter(step.items()), ("", None))
        if len(step) != 1:
            message = "a step is one name with its fields"
            other = next((name for name in list(step)[1:] if name in STEPS), None)
            hint = f"the fields of {kind} below it, with more spaces before each"
            if other is not None:
                hint = f'"- " before {other}, too: it is a step of its own'
            raise scenario.document.error(at, message, hint if other or fields is None else None)
        if kind not in STEPS:
            raise scenario.document.error(at, f"no such step: {kind!r}", nearest(kind, STEPS))
        if not isinstance(fields, dict | None):
            message = f"{told(fields)} is no field of {kind}"
            raise scenario.document.error((*at, kind), message, f"{kind}: {{FIELD: VALUE}}")
        first = next(iter(scenario.body.steps[0]))
        if STEPS[kind].needs_guest != STEPS[first].needs_guest:
            message = f"{kind} and {first} in one scenario: one needs a guest, one has none"
            raise scenario.document.error(at, message, "a scenario for each")


def _check_values(scenario: Scenario) -> None:
    """No value of a parameter stands there twice: each is a cell, which has its own name."""
    for name, values in scenario.body.parameters.items():
        for index, value in enumerate(values):
            if any(value == other and type(value) is type(other) for other in values[:index]):
                at: Location = ("parameters", name, index)
                raise scenario.document.error(at, f"{told(value)} stands there twice", "each once")
