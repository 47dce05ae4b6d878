"""Which worker may have a chunk of cells. No Dask here."""

from __future__ import annotations

import pytest

from harness.campaign.order import Order
from harness.cluster.resources import (
    CORES,
    MEMORY,
    fits,
    kvm_resource,
    lacking,
    needs,
    preferred,
    target_resource,
)
from harness.commands.named import choose_cells

CODE = "0123456789abcdef0123"
CELLS = choose_cells(["s390x"], ["gup-anon"])
CELL = CELLS[0]
ORDERS = (Order(CELL),)
GIB = 1 << 30


def worker(**changes: float) -> dict[str, float]:
    enough = {**needs(ORDERS, CODE), CORES: 4, MEMORY: 16 * GIB}
    return enough | {name.replace("_", "-"): amount for name, amount in changes.items()}


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
