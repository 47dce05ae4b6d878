"""Cells in the order in which guests are shared, and a run cut into shards of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from harness.errors import UserError
from harness.scenario.expand import Cell

# As Cell.guest has it: the target's name stands first.
Guest: TypeAlias = tuple[object, ...]
_Key = TypeVar("_Key", bound=Hashable)


def guest_order(guests: Iterable[Guest]) -> Callable[[Guest], tuple[int, int]]:
    """Sort key of guests: those of one target together, each at the place of the first."""
    targets: dict[object, int] = {}
    groups: dict[Guest, int] = {}
    for guest in guests:
        targets.setdefault(guest[:1], len(targets))
        groups.setdefault(guest, len(groups))
    return lambda guest: (targets[guest[:1]], groups[guest])


def in_guest_order(cells: Iterable[Cell]) -> list[Cell]:
    """Cells of one kernel stand together, and in them those that one guest can run."""
    cells = list(cells)
    order = guest_order(cell.guest for cell in cells)
    return sorted(cells, key=lambda cell: order(cell.guest))


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``total`` parts of a run, ``index`` counted from 1."""

    index: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From ``2/8``. Raises UserError."""
        match = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", text)
        if match is None or int(match[1]) > int(match[2]):
            raise UserError(f"--shard {text}: no part of a whole", hint="--shard 2/8")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.total}"

    def part(self, keys: Iterable[_Key]) -> list[_Key]:
        """This shard's keys: neighbours, so that they share guests and kernels.

        Every key is in one shard, and no shard has two keys more than another.
        """
        distinct = list(dict.fromkeys(keys))
        first = len(distinct) * (self.index - 1) // self.total
        return distinct[first : len(distinct) * self.index // self.total]
