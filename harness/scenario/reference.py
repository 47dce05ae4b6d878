"""``docs/steps.md``: every step, its fields and an example, made of the code and scenarios."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

from harness.scenario.find import SCENARIOS_DIR
from harness.scenario.schema import Scenario, load_scenarios
from harness.scenario.step import DaxName, Step
from harness.scenario.steps import STEPS
from harness.units import format_size

EXAMPLES = SCENARIOS_DIR / "steps.yaml"

_INTRODUCTION = """\
# Steps

Made by `harness.scenario.reference.render_steps_markdown()`; a test holds this file against it.

What a scenario's `steps:` may hold. The scenario around them, with the layout that has the devices
which steps name by `region`, is shown in [scenarios.md](scenarios.md). Values listed after "Shows"
are what the model predicts and the guest is held to. A size is `64K`, `2GiB`, `0x4000`, bytes, or
`page`, `pmd` or `pud` of the target; every field may be a `$parameter`. The examples are the
scenarios of `scenarios/steps.yaml`, which run with all others.
"""


def render_steps_markdown() -> str:
    """``docs/steps.md``, whole. Raises KeyError for a step without an example."""
    examples = {scenario.name: scenario for scenario in load_scenarios(EXAMPLES)}
    parts = [_INTRODUCTION]
    for kind, step in STEPS.items():
        parts += [f"## `{kind}`\n", _description(step), *_fields(step)]
        parts.append(f"```yaml\n{_example(examples[example_name(kind)])}\n```\n")
    return "\n".join(parts)


def example_name(kind: str) -> str:
    """The scenario that shows a step: ``step-gup-test``."""
    return f"step-{kind}"


def _description(step: type[Step]) -> str:
    """The class's docstring, and what that of a shared base class says of its fields."""
    bases = [base for base in step.__mro__[1:] if issubclass(base, Step) and base is not Step]
    texts = [inspect.getdoc(step) or ""]
    for base in bases:
        if "kind" not in vars(base):
            texts.append((inspect.getdoc(base) or "").partition("\n\n")[2])
    return "\n\n".join(texts).replace("``", "`") + "\n"


def _fields(step: type[Step]) -> Iterator[str]:
    if not step.model_fields:
        yield "It has no fields.\n"
        return
    rows = [f"| `{name}` | {_takes(f)} | {_default(f)} |" for name, f in step.model_fields.items()]
    yield "\n".join(["| field | takes | default |", "|---|---|---|", *rows]) + "\n"


def _takes(field: FieldInfo) -> str:
    return _type(field.annotation, tuple(field.metadata))


def _type(annotation: Any, metadata: tuple[Any, ...]) -> str:
    origin = get_origin(annotation)
    if hasattr(annotation, "__metadata__"):
        return _type(annotation.__origin__, (*annotation.__metadata__, *metadata))
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    if origin in (Union, UnionType):
        inner = next(a for a in get_args(annotation) if a is not NoneType)
        return _type(inner, metadata)
    if origin is tuple:
        return f"a list: {_type(get_args(annotation)[0], ())}"
    if annotation is DaxName:
        return "a device such as `dax0.1`"
    if any(isinstance(item, pydantic.BeforeValidator) for item in metadata):
        return "a size"
    return {bool: "`true`, `false`", int: "a number", str: "text"}[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and _takes(field) == "a size":
        return f"`{format_size(value)}`"
    return f"`{list(value)}`" if isinstance(value, tuple) else f"`{value}`"


def _example(scenario: Scenario) -> str:
    """The scenario's steps as they stand in the file."""
    first = scenario.document.line(("steps",)) or 1
    lines = scenario.path.read_text(encoding="utf-8").splitlines()[first - 1 :]
    end = next((number for number, line in enumerate(lines) if line.startswith("---")), len(lines))
    return "\n".join(lines[:end]).rstrip()
