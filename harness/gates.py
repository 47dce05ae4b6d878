"""Kconfig symbols that an architecture decides about, and from which version on.

What stands in the data files of targets (``kernel.gates``) is assumed of kernels that nobody
built, and held against the .config of every other. An architecture is told by a symbol of its
own that its targets' kernels ask for.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from harness.target import Target, load_targets

NEWEST = 1 << 20
"""More than any part of a version."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A symbol that is there with ``by``, from version ``since`` until ``before``.

    ``asked`` is one that has to be asked for as well; none asks for the others, which are
    selected.
    """

    symbol: str
    by: str
    since: tuple[int, int]
    before: tuple[int, int] = (NEWEST, 0)
    asked: bool = False

    def is_open(self, branch: tuple[int, int], config: Container[str]) -> bool:
        """Whether it lets the symbol through in a kernel that has these symbols."""
        return self.since <= branch < self.before and self.by in config


@functools.cache
def all_gates() -> tuple[Gate, ...]:
    """The gates of every target."""
    return tuple(read_gates(load_targets().values()))


def read_gates(targets: Iterable[Target]) -> Iterator[Gate]:
    """The gates that the targets' data files have."""
    for kernel in (target.kernel for target in targets):
        for gate in kernel.gates:
            by = gate.by or kernel.known_by or ""
            yield Gate(gate.symbol, by, gate.since, gate.before or (NEWEST, 0), gate.asked)


def gates_of(symbol: str) -> Iterator[Gate]:
    """Every gate of a symbol; none for one that no architecture decides about."""
    return (gate for gate in all_gates() if gate.symbol == symbol)
