"""Scenarios times parameters times targets: the cells of a run.

``page``, ``pmd`` and ``pud`` stand for the target's own sizes wherever a size may stand,
and ``$name`` for a parameter. A target that cannot have the layout's pmem or soft-reserved
memory, or a run without a configuration that the scenario needs, gives one cell a scenario,
whatever the parameters: what is checked is that something is not there.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UserError, nearest
from harness.records import Layout
from harness.scenario.layout import resolve_layout
from harness.scenario.places import check_place
from harness.scenario.schema import Scenario, Template
from harness.scenario.step import boot_arguments
from harness.scenario.steps import STEPS, Kconfig, Step
from harness.target import Target
from harness.units import format_size
from harness.yaml_document import Document, Location


@dataclass(frozen=True, slots=True)
class Cell:
    """Scenario, parameters and target: one pytest item once a kernel is given.

    ``name`` is the item's name, ``devdax-map-mem[ppc64-hash-16M]``; ``id`` has the file
    before it; ``line`` is where the scenario begins in it, ``step_lines`` where each step's fields
    stand, and under no name where the step does. ``config`` are fragments beyond
    the target's own: the scenario's, and those of the run, which the name has as well
    (``[ppc64-hash-16M+no-memcg]``).
    """

    scenario: str
    summary: str
    path: Path
    line: int
    name: str
    target: Target
    config: tuple[str, ...]
    needs_vmemmap_optimisation: bool
    layout: Layout
    parameters: tuple[tuple[str, Template], ...]
    steps: tuple[Step, ...]
    step_lines: tuple[Mapping[str, int], ...] = field(default=(), repr=False, compare=False)

    @property
    def id(self) -> str:
        return f"{self.path.name}::{self.name}"

    def error(self, index: int, error: UserError) -> UserError:
        """An error of one of its steps, with the step's place in the file."""
        lines = self.step_lines[index] if index < len(self.step_lines) else {}
        name = error.field or ""
        at = f"steps.{index}.{self.steps[index].kind}"
        return UserError(
            error.message,
            path=self.path,
            line=lines.get(name, lines.get("")),
            field=f"{at}.{name}" if name else at,
            hint=error.hint,
        )

    @property
    def needs_guest(self) -> bool:
        """False for what is done to a kernel that nobody builds or boots."""
        return any(step.needs_guest for step in self.steps)

    @property
    def wished(self) -> tuple[str, ...]:
        """Fragments that are asked for and need not take."""
        return tuple(name for step in self.steps if isinstance(step, Kconfig) for name in step.ask)

    @property
    def guest(self) -> tuple[object, ...]:
        """Equal for cells that one guest can run."""
        return self.target.name, self.config, self.layout, self.programs, self.boot_arguments

    @property
    def boot_arguments(self) -> tuple[str, ...]:
        """What its guest's kernel is told beside what every guest's is."""
        return boot_arguments(self.steps)

    @property
    def programs(self) -> tuple[str, ...]:
        """Programs that the guest must have beside those of every guest, sorted."""
        return tuple(sorted({name for step in self.steps for name in step.programs}))


def expand(
    scenario: Scenario, targets: Mapping[str, Target], config: tuple[str, ...] = ()
) -> Iterator[Cell]:
    """Every cell of a scenario on the given targets. Raises UserError with file and line.

    ``targets`` are those that were asked for; names in the scenario that no data file
    stands for are errors only for :func:`check_names`. ``config`` are
    fragments for every cell. A name in the scenario stands for the target's variants, too.
    """
    wanted = _named_targets(scenario)
    for target in targets.values():
        if wanted is not None and not target.is_one_of(wanted):
            continue
        if target.variant_of is not None and not scenario.body.variants:
            continue
        whole = set(scenario.body.needs_config) <= set(config) and not _lacks_memory(
            target, scenario
        )
        for reader in _distinct(scenario, target, whole):
            yield _cell(scenario, reader, config, whole)


def check_names(
    scenario: Scenario, targets: Mapping[str, Target], fragments: Collection[str]
) -> None:
    """The targets and the configurations that the scenario names are there; UserError where not."""
    check_targets(scenario, targets)
    for field_name in ("config", "needs_config"):
        for index, name in enumerate(getattr(scenario.body, field_name)):
            if name not in fragments:
                message = f"no such configuration fragment: {name!r}"
                at: Location = (field_name, index)
                raise scenario.document.error(at, message, nearest(name, fragments))


def check_targets(scenario: Scenario, known: Mapping[str, Target]) -> None:
    """Every target that the scenario names has a data file; UserError where not."""
    alone = isinstance(scenario.body.targets, str)
    for index, name in enumerate(_named_targets(scenario) or ()):
        if name not in known:
            at: Location = ("targets",) if alone else ("targets", index)
            hint = nearest(name, [*known, "all"])
            raise scenario.document.error(at, f"no such target: {name!r}", hint)


def _named_targets(scenario: Scenario) -> tuple[str, ...] | None:
    """The targets that the scenario is for, by name; None for all of them."""
    wanted = scenario.body.targets
    if wanted == "all":
        return None
    return (wanted,) if isinstance(wanted, str) else wanted


def _combinations(scenario: Scenario, whole: bool) -> Iterator[dict[str, Template]]:
    parameters = scenario.body.parameters
    if not whole:
        yield {name: values[0] for name, values in parameters.items()}
        return
    for values in itertools.product(*parameters.values()):
        yield dict(zip(parameters, values, strict=True))


def _distinct(scenario: Scenario, target: Target, whole: bool) -> Iterator[_Substitution]:
    """Each combination once: two names of a size may be one on the target, as 64K and page."""
    seen: set[tuple[str, ...]] = set()
    for parameters in _combinations(scenario, whole):
        reader = _Substitution(scenario.document, target, parameters)
        if reader.words not in seen:
            seen.add(reader.words)
            yield reader


def _lacks_memory(target: Target, scenario: Scenario) -> bool:
    """Whether the target cannot have a kind of memory that the layout wants."""
    layout = scenario.body.layout
    no_pmem = target.pmem is None and bool(layout.pmem)
    return no_pmem or (target.soft_reserved is None and bool(layout.soft_reserved))


def _cell(scenario: Scenario, reader: _Substitution, config: tuple[str, ...], whole: bool) -> Cell:
    body, target = scenario.body, reader.target
    return Cell(
        scenario=body.scenario,
        summary=body.summary,
        path=scenario.path,
        line=scenario.document.line(("scenario",)) or 1,
        name=f"{body.scenario}[{_label(reader, whole)}{name_config(config)}]",
        target=target,
        config=tuple(dict.fromkeys((*body.config, *config))),
        needs_vmemmap_optimisation=body.needs_vmemmap_optimisation,
        layout=resolve_layout(body.layout, target, scenario.document, reader.value),
        parameters=tuple((n, reader.size_word(v)) for n, v in reader.parameters.items()),
        steps=tuple(_steps(scenario, reader)),
        step_lines=scenario.step_lines,
    )


def name_config(config: Iterable[str]) -> str:
    """Fragments as a cell's name has them: ``+debug+no-thp``."""
    return "".join(f"+{name}" for name in config)


def _label(reader: _Substitution, whole: bool) -> str:
    return "-".join((reader.target.name, *(reader.words if whole else ())))


def _word(value: Template) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_size(value) if isinstance(value, int) and value >= 1024 else str(value)


def _steps(scenario: Scenario, reader: _Substitution) -> Iterator[Step]:
    for index, entry in enumerate(scenario.body.steps):
        kind, fields = next(iter(entry.items()))
        at: Location = ("steps", index, kind)
        values = {name: reader.value(value, (*at, name)) for name, value in (fields or {}).items()}
        step = scenario.document.read(STEPS[kind], values, at)
        _check_place(scenario, step, at)
        yield step


def _check_place(scenario: Scenario, step: Step, at: Location) -> None:
    """For every target alike: those without pmem have regions in the scenario all the same."""
    layout = scenario.body.layout
    try:
        check_place(step, len(layout.pmem), len(layout.soft_reserved))
    except UserError as exc:
        named = (*at, exc.field) if exc.field else at
        raise scenario.document.error(named, exc.message, exc.hint) from exc


@dataclass(frozen=True, slots=True)
class _Substitution:
    """Puts parameters and the target's own sizes in the place of their names."""

    document: Document
    target: Target
    parameters: dict[str, Template]

    @property
    def words(self) -> tuple[str, ...]:
        """The parameters as a cell's name has them."""
        return tuple(_word(self.size_word(value)) for value in self.parameters.values())

    def value(self, value: Any, at: Location) -> Any:
        if isinstance(value, str) and value.startswith("$"):
            name = value[1:]
            if name not in self.parameters:
                add = f"{name}: [VALUE, ...] under parameters:"
                hint = nearest(name, self.parameters) if self.parameters else add
                raise self.document.error(at, f"no such parameter: {value!r}", hint)
            value = self.parameters[name]
        return self.size_word(value)

    def size_word(self, value: Any) -> Any:
        mmu = self.target.mmu
        sizes = {"page": mmu.page_size, "pmd": mmu.pmd_size, "pud": mmu.pud_size}
        return sizes.get(value, value) if isinstance(value, str) else value
