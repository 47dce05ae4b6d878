"""What a run would build, and having it built before the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from harness.campaign.provide import Needs, Provider
from harness.errors import KernelFailure
from harness.scenario.expand import Cell
from harness.series.patch import Series


@dataclass(frozen=True, slots=True)
class Build:
    """One kernel with its images: ``release`` is None where the kernel does not build.

    ``config`` are fragments beyond the target's own, ``patches`` how many of a series are in.
    """

    target: str
    config: tuple[str, ...]
    patches: int
    release: str | None = None
    image: str | None = None
    failure: str | None = None


def kernels_of(cells: Iterable[Cell]) -> tuple[Needs, ...]:
    """What cells with a guest need, each target and configuration once, with all programs."""
    chosen: dict[tuple[str, tuple[str, ...]], Needs] = {}
    for cell in (cell for cell in cells if cell.needs_guest):
        key = (cell.target.name, cell.config)
        before = chosen[key].programs if key in chosen else ()
        programs = tuple(sorted({*before, *cell.programs}))
        chosen[key] = Needs(cell.target, cell.config, programs=programs)
    return tuple(chosen.values())


def positions(series: Series | None, *, per_patch: bool) -> tuple[int, ...]:
    """How many patches the kernels of a run have: 0 alone without a series."""
    tip = len(series.patches) if series else 0
    return tuple(range(tip + 1)) if per_patch else tuple(dict.fromkeys((0, tip)))


def build_ahead(
    provider: Provider,
    cells: Iterable[Cell],
    series: Series | None = None,
    *,
    per_patch: bool = False,
) -> Iterator[Build]:
    """Build or find each kernel, and its images, in the order in which a run would.

    A kernel that does not build is told of, and the next one built. Raises UserError and
    InfrastructureError as :meth:`Provider.provide` does.
    """
    wanted = kernels_of(cells)
    for position in positions(series, per_patch=per_patch):
        patches = series.patches[:position] if series else ()
        for one in wanted:
            name, config = one.target.name, one.config
            try:
                provisions = provider.provide(replace(one, patches=patches))
            except KernelFailure as exc:
                yield Build(name, config, position, failure=str(exc))
            else:
                kernel = provisions.kernel
                yield Build(name, config, position, kernel.release, str(kernel.image))
