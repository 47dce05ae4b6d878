"""Cells that follow each other in one guest, and what that guest takes of a host."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import Final

from harness.campaign.order import Order
from harness.records import Layout

# QEMU's own, the pages that it keeps of its files, and the process that watches it.
_BESIDES_RAM: Final = 384 << 20

# A boot takes as long as a few cells, which is why they share one; a lost worker, or the last
# one to finish, costs a chunk at the most.
_FEWEST, _MOST = 4, 16
_TURNS: Final = 4


def cut(orders: Sequence[Order], guests: int) -> Iterator[tuple[Order, ...]]:
    """Chunks of orders that one guest can run, whose first ones stand in their order.

    With more than enough of them each of so many ``guests`` at once has several turns. In a
    series the kernels of a cell stand together; their orders are of different guests.
    """
    longest = min(_MOST, max(_FEWEST, math.ceil(len(orders) / (_TURNS * max(guests, 1)))))
    groups: dict[Hashable, list[Order]] = {}
    for order in orders:
        groups.setdefault(guest_of(order), []).append(order)
    for group in groups.values():
        yield from _in_parts(tuple(group), longest)


def guest_of(order: Order) -> Hashable:
    """Equal for orders that one guest can run."""
    return order.cell.guest, tuple(patch.digest for patch in order.patches)


def _in_parts(group: tuple[Order, ...], longest: int) -> Iterator[tuple[Order, ...]]:
    """As few parts as may be, none longer than another by more than one."""
    parts = math.ceil(len(group) / longest)
    for part in range(parts):
        yield group[len(group) * part // parts : len(group) * (part + 1) // parts]


def guest_bytes(layout: Layout) -> int:
    """What a guest may take of a host's memory."""
    return layout.ram_bytes + _BESIDES_RAM
