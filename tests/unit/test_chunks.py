"""How cells are cut into chunks of one guest."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.campaign.chunks import cut
from harness.campaign.order import Order, prefix
from harness.commands.named import choose_cells
from harness.scenario.expand import Cell
from harness.series.patch import Patch, Series

CELL = choose_cells(["s390x"], ["gup-anon"])[0]


def named(number: int, cell: Cell = CELL) -> Order:
    return Order(replace(cell, name=f"cell[{number}]"))


@given(sizes=st.lists(st.integers(1, 60), max_size=6), cores=st.integers(0, 64))
def test_every_order_is_in_one_chunk_in_its_order(sizes: list[int], cores: int) -> None:
    groups = [
        named(100 * number + place, replace(CELL, config=(f"config-{number}",)))
        for number, size in enumerate(sizes)
        for place in range(size)
    ]
    chunks = list(cut(groups, cores))
    assert [order for chunk in chunks for order in chunk] == groups
    assert all(len({order.cell.guest for order in chunk}) == 1 for chunk in chunks)
    assert all(1 <= len(chunk) <= 16 for chunk in chunks)


def test_the_two_kernels_of_a_series_have_guests_of_their_own() -> None:
    patch = Patch(1, "mm: undo it", "A U Thor <a@example.org>", None, b"", (), "v7.mbox:1")
    series = Series("a series", 7, (patch,), "v7.mbox")
    kernels = [prefix(series, position) for position in (0, 1)]
    orders = [replace(named(n), prefix=kernel) for n in range(4) for kernel in kernels]
    assert list(cut(orders, 1)) == [tuple(orders[::2]), tuple(orders[1::2])]


def test_a_few_cells_stay_together_and_many_are_shared_out() -> None:
    assert [len(chunk) for chunk in cut([named(n) for n in range(4)], 8)] == [4]
    assert [len(chunk) for chunk in cut([named(n) for n in range(32)], 8)] == [4] * 8
    sizes = [len(chunk) for chunk in cut([named(n) for n in range(100)], 1)]
    assert sizes == [14, 14, 14, 15, 14, 14, 15]
