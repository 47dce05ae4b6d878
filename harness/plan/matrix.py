"""What a matrix consists of, whoever runs it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.errors import UserError
from harness.scenario.expand import Cell
from harness.scenario.shard import Shard, in_guest_order


@dataclass(frozen=True, slots=True)
class BuildJob:
    """A target's kernels, built of one source. ``name`` is fit for files and job names.

    ``config`` is what ``--config`` is to be told, and may be empty.
    """

    name: str
    kernel: str
    arch: str
    config: str


@dataclass(frozen=True, slots=True)
class ShardJob:
    """Part of the cells on one kernel.

    ``scenarios``, which are words with spaces between, ``arch``, ``config``, which may be empty,
    and ``shard`` are what pytest is to be told; ``targets`` are those that the part's cells are of.
    """

    name: str
    kernel: str
    arch: str
    config: str
    scenarios: str
    shard: str
    targets: tuple[str, ...]
    cells: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All jobs; each shard needs the builds of its kernel and targets."""

    builds: tuple[BuildJob, ...]
    shards: tuple[ShardJob, ...]


def make_plan(
    cells: Iterable[Cell],
    kernels: Sequence[str],
    shards: int,
    scenarios: Sequence[str],
    config: Sequence[str] = (),
) -> Plan:
    """``shards`` parts for each kernel, no more than there are cells.

    ``scenarios`` are what pytest chooses the cells by, files or scenarios of a file;
    ``config`` are the fragments that they were given. Raises UserError for no shards, and for a
    name that a shell would take for two.
    """
    for word in scenarios:
        if word.split() != [word]:
            raise UserError(
                f"{word!r} has a space in it, and a CI's shell would take it for two words",
                hint="a file and folders without",
            )
    if shards < 1:
        raise UserError(f"--shards {shards}: nobody would run anything", hint="--shards 4")
    ordered = {cell.id: cell for cell in in_guest_order(cells)}
    targets = tuple(dict.fromkeys(cell.target.name for cell in ordered.values()))
    total = min(shards, len(ordered))
    names = _names(kernels)
    return Plan(
        tuple(
            BuildJob("-".join((name, target, *config)), kernel, target, ",".join(config))
            for kernel, name in names.items()
            for target in targets
        ),
        tuple(
            _shard(ordered, (kernel, name), targets, Shard(index, total), scenarios, config)
            for kernel, name in names.items()
            for index in range(1, total + 1)
        ),
    )


def _shard(
    ordered: dict[str, Cell],
    named: tuple[str, str],
    targets: tuple[str, ...],
    shard: Shard,
    scenarios: Sequence[str],
    config: Sequence[str],
) -> ShardJob:
    kernel, begins = named
    part = [ordered[name] for name in shard.part(ordered)]
    return ShardJob(
        name="-".join((begins, *config, f"{shard.index}of{shard.total}")),
        kernel=kernel,
        arch=",".join(targets),
        config=",".join(config),
        scenarios=" ".join(scenarios),
        shard=str(shard),
        targets=tuple(dict.fromkeys(cell.target.name for cell in part)),
        cells=len(part),
    )


def _names(kernels: Sequence[str]) -> dict[str, str]:
    """What jobs of each kernel begin with: of two jobs of one name a CI runs the second alone."""
    names: dict[str, str] = {}
    for kernel in kernels:
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", kernel).strip("-")
        tries = (plain, *(f"{plain}.{number}" for number in range(2, len(kernels) + 2)))
        names[kernel] = next(name for name in tries if name not in names.values())
    return names
