"""How cells are cut into chunks, and which worker may have one. No Dask here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.campaign.order import Order, prefix
from harness.cluster.chunks import (
    CORES,
    MEMORY,
    cut,
    fits,
    kvm_resource,
    lacking,
    needs,
    preferred,
    target_resource,
)
from harness.scenario.expand import Cell
from harness.scenario.find import choose_cells
from harness.series.patch import Patch, Series

CODE = "0123456789abcdef0123"
CELLS = choose_cells(["s390x"], ["gup-anon"])
CELL = CELLS[0]
ORDERS = (Order(CELL),)
GIB = 1 << 30


def named(number: int, cell: Cell = CELL) -> Order:
    return Order(replace(cell, name=f"cell[{number}]"))


def worker(**changes: float) -> dict[str, float]:
    enough = {**needs(ORDERS, CODE), CORES: 4, MEMORY: 16 * GIB}
    return enough | {name.replace("_", "-"): amount for name, amount in changes.items()}


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


def test_a_cell_goes_where_its_qemu_its_memory_and_the_same_code_are() -> None:
    wanted = needs(ORDERS, CODE)
    assert fits(wanted, worker())
    assert not fits(wanted, worker(target_s390x=0))
    assert not fits(wanted, worker(memory=CELL.layout.ram_bytes))
    assert not fits(needs(ORDERS, "another version of it"), worker())


def test_kvm_is_preferred_where_a_worker_that_fits_has_it() -> None:
    wanted, kvm = needs(ORDERS, CODE), kvm_resource("s390x")
    assert kvm in preferred(wanted, "s390x", [worker(), worker(kvm_s390x=1)])
    assert kvm not in preferred(wanted, "s390x", [worker(), worker(kvm_x86_64=1)])
    assert kvm not in preferred(wanted, "s390x", [worker(), worker(kvm_s390x=1, target_s390x=0)])


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ([], "the cluster has no worker"),
        ([worker(target_s390x=0)], "no worker of 1 has QEMU and firmware of s390x"),
        ([worker(memory=GIB // 2)], "GiB of memory for a guest"),
        ([{target_resource("s390x"): 1.0, CORES: 1, MEMORY: 16 * GIB}], "this very daxhound"),
        ([worker(memory=0), worker(target_s390x=0)], "no worker of 2 has all of"),
        ([worker(memory=0), worker()], ""),
    ],
)
def test_what_no_worker_has_is_said(workers: list[dict[str, float]], said: str) -> None:
    told = lacking(needs(ORDERS, CODE), workers)
    assert said in told
    assert bool(told) == bool(said)
