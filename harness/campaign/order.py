"""What is to be run: a cell, on which kernel of a series, for the how many-th time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.records import CellResult, Intention, PatchLabel
from harness.scenario.expand import Cell
from harness.series.patch import Patch, Series


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first patches of a series, as many as ``label.position`` says."""

    label: PatchLabel
    patches: tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One run of one cell: ``prefix`` in runs of a series, ``repeat`` counted from 1.

    ``intentions`` are what the patches are meant to change in this cell. ``followed`` is
    whether the next order may be one for the same guest.
    """

    cell: Cell
    prefix: Prefix | None = None
    repeat: int = 1
    intentions: tuple[Intention, ...] = ()
    followed: bool = True

    @property
    def id(self) -> str:
        """The cell's, and what tells this run from others of the same cell."""
        suffix = self.prefix.label.suffix if self.prefix else ""
        return f"{self.cell.id}{suffix}" + (f"~{self.repeat}" if self.repeat > 1 else "")

    @property
    def patches(self) -> tuple[Patch, ...]:
        return self.prefix.patches if self.prefix else ()


class Runner(Protocol):
    """Whoever carries out orders, here or elsewhere."""

    def run(self, order: Order) -> CellResult:
        """The result. Raises UserError for a kernel or configuration that cannot be had."""
        ...


def prefix(series: Series, position: int) -> Prefix:
    """The series' first ``position`` patches."""
    subject = series.patches[position - 1].subject if position else ""
    return Prefix(PatchLabel(position, subject), series.patches[:position])
