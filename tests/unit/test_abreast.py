"""Several guests at once, with something else in the place of what runs one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from harness.campaign import abreast as abreast_module
from harness.campaign.abreast import AbreastRunner
from harness.campaign.attempt import RunOptions
from harness.campaign.cell import unbuilt
from harness.campaign.chunks import guest_bytes
from harness.campaign.order import Order, Runner
from harness.campaign.pool import GuestPool, PooledGuest, Wanted
from harness.campaign.provide import Needs, Provides, Provisions
from harness.commands.named import choose_cells
from harness.deadline import Deadline, NoLongerWanted
from harness.errors import InfrastructureError, KernelFailure, UserError
from harness.guest.boot import BootRequest
from harness.progress import Silence
from harness.records import CellResult, Verdict
from harness.scenario.expand import Cell
from harness.store import Store
from tests.support.provisions import provisions_in

CELL = choose_cells(["s390x"], ["gup-anon"])[0]
SECONDS = 20.0


def orders_of(guest: int, cells: int, cell: Cell = CELL) -> list[Order]:
    alike = replace(cell, config=(f"config-{guest}",))
    return [Order(replace(alike, name=f"cell[{guest}-{number}]")) for number in range(cells)]


class Provider:
    """Has everything, but for what is ``refused`` first; a real one builds kernels."""

    kernel_name = "debian:6.1"
    progress = Silence()

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.refused: dict[str, list[Exception]] = {}

    def provide(self, needs: Needs) -> Provisions:
        for name in needs.config:
            if self.refused.get(name):
                raise self.refused[name].pop()
        return provisions_in(self.store.root)


def passed(order: Order, _provides: Provides | None = None) -> CellResult:
    return unbuilt(order, "6.1.192", Verdict.OK, "")


Act = Callable[[Order, Provides], CellResult]


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(tmp_path)


@dataclass(frozen=True)
class Acting:
    """A runner of one chunk."""

    act: Callable[[Order], CellResult]

    def run(self, order: Order) -> CellResult:
        return self.act(order)


@contextmanager
def abreast(
    provider: Any, act: Act, *, guests: int = 2, memory: int = 1 << 40
) -> Iterator[AbreastRunner]:
    """A runner whose threads do ``act``."""

    def runner_of(provides: Provides, _pool: GuestPool) -> Runner:
        return Acting(lambda order: act(order, provides))

    with abreast_with(provider, runner_of, guests=guests, memory=memory, kept=1) as runner:
        yield runner


@contextmanager
def abreast_with(
    provider: Any,
    runner_of: Callable[[Provides, GuestPool], Runner],
    *,
    guests: int,
    memory: int,
    kept: int,
) -> Iterator[AbreastRunner]:
    root = provider.store.root
    runner = AbreastRunner(
        provider, RunOptions(), root, runner_of, guests=guests, memory=memory, kept=kept
    )
    try:
        yield runner
    finally:
        runner.close()


def test_each_order_runs_once_and_those_of_a_guest_one_after_the_other(provider: Provider) -> None:
    ran: list[tuple[str, str]] = []
    orders = [*orders_of(1, 9), *orders_of(2, 5)]

    def act(order: Order, _: Provides) -> CellResult:
        ran.append((order.cell.name, threading.current_thread().name))
        return passed(order)

    with abreast(provider, act) as runner:
        runner.plan(orders)
        assert [runner.run(order).id for order in orders] == [order.id for order in orders]
    assert sorted(name for name, _ in ran) == sorted(order.cell.name for order in orders)
    for first in (0, 3, 6):
        names = [f"cell[1-{first + number}]" for number in range(3)]
        places = [place for place, (name, _) in enumerate(ran) if name in names]
        assert [ran[place][0] for place in places] == names
        assert len({ran[place][1] for place in places}) == 1


def test_as_many_run_at_once_as_guests_are_allowed(provider: Provider) -> None:
    together = threading.Barrier(3)

    def act(order: Order, _: Provides) -> CellResult:
        together.wait(SECONDS)
        return passed(order)

    orders = [order for guest in range(3) for order in orders_of(guest, 1)]
    with abreast(provider, act, guests=3) as runner:
        runner.plan(orders)
        assert {runner.run(order).verdict for order in orders} == {Verdict.OK}


def test_no_more_run_at_once_than_memory_allows(provider: Provider) -> None:
    lock, at_once, most = threading.Lock(), [0], [0]
    small, large = orders_of(1, 1), orders_of(2, 1)
    larger = replace(CELL.layout, ram_bytes=4 * CELL.layout.ram_bytes)
    large = [replace(order, cell=replace(order.cell, layout=larger)) for order in large]
    orders = [*small, *large, *orders_of(3, 1), *orders_of(4, 1)]
    taken = {order.id: guest_bytes(order.cell.layout) for order in orders}
    memory = 2 * guest_bytes(CELL.layout)

    def act(order: Order, _: Provides) -> CellResult:
        with lock:
            at_once[0] += taken[order.id]
            most[0] = max(most[0], at_once[0])
        threading.Event().wait(0.05)
        with lock:
            at_once[0] -= taken[order.id]
        return passed(order)

    with abreast(provider, act, guests=4, memory=memory) as runner:
        runner.plan(orders)
        for order in orders:
            runner.run(order)
    assert most[0] == guest_bytes(large[0].cell.layout) > memory, "the large one runs, and alone"


@dataclass
class LivingGuests:
    """Guests that boot at once; ``bytes`` and ``most`` are what they take and took at most."""

    bytes: int = 0
    most: int = 0
    booted: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def boot(self, wanted: Wanted, *, for_more: bool) -> Any:
        assert for_more
        end = ExitStack()
        size = guest_bytes(wanted.boot.layout)
        self._grow(size)
        self.booted += 1
        end.callback(self._grow, -size)
        nothing = Mock()
        return PooledGuest(nothing, nothing, nothing, nothing, end)

    def _grow(self, size: int) -> None:
        with self.lock:
            self.bytes += size
            self.most = max(self.most, self.bytes)


@pytest.mark.parametrize(
    ("guests", "room", "booted"), [(1, 1, 4), (1, 2, 2), (2, 2, None), (2, 3, None)]
)
def test_guests_that_wait_for_their_next_cell_take_memory_as_well(
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    guests: int,
    room: int,
    booted: int | None,
) -> None:
    """As in a series, in which each thread takes turns on two guests."""
    living = LivingGuests()
    monkeypatch.setattr(PooledGuest, "boot", living.boot)
    monkeypatch.setattr(PooledGuest, "is_as_new", lambda _: True)

    def lease(pool: GuestPool, order: Order) -> CellResult:
        files = Path(*order.cell.config)
        request = BootRequest(order.cell.target, order.cell.layout, files, (), files, files)
        wanted = Wanted(request, cast("Any", None), cast("Any", None))
        with pool.lease(wanted, order.id, fresh=False, keep=True):
            return passed(order)

    memory = room * guest_bytes(CELL.layout)
    parts = [orders_of(guest, 8)[start : start + 4] for start in (0, 4) for guest in (1, 2)]

    def runner_of(_provides: Provides, pool: GuestPool) -> Runner:
        return Acting(partial(lease, pool))

    with abreast_with(provider, runner_of, guests=guests, memory=memory, kept=2) as runner:
        for part in parts:
            runner.plan(part)
        results = [runner.run(order) for part in parts for order in part]
    assert {result.verdict for result in results} == {Verdict.OK}
    assert guest_bytes(CELL.layout) <= living.most <= memory
    assert booted in (None, living.booted)
    assert living.bytes == 0


def test_a_guest_is_kept_as_long_as_another_cell_waits_for_it(provider: Provider) -> None:
    followed: dict[str, bool] = {}
    begun = threading.Event()

    def act(order: Order, _: Provides) -> CellResult:
        begun.wait(SECONDS)
        followed[order.cell.name] = order.followed
        return passed(order)

    orders = [*orders_of(1, 6), *orders_of(2, 1)]  # two chunks, and one
    with abreast(provider, act, guests=1) as runner:
        runner.plan(orders)
        asking = threading.Thread(target=lambda: [runner.run(order) for order in orders])
        asking.start()
        limit = Deadline.after(SECONDS)
        while not any(orders[3] in chunk.orders for chunk in list(runner._waiting)):
            assert not limit.expired
        begun.set()
        asking.join(SECONDS)
    assert followed == {
        **{f"cell[1-{number}]": number < 5 for number in range(6)},
        "cell[2-0]": False,
    }


@pytest.mark.parametrize(
    ("refused", "verdict"),
    [
        ([InfrastructureError("no room")] * 2, Verdict.INFRASTRUCTURE),
        ([KernelFailure("it does not build")], Verdict.KERNEL_FAILURE),
    ],
)
def test_what_cannot_be_built_is_said_of_its_cells_alone(
    provider: Provider, refused: list[Exception], verdict: Verdict
) -> None:
    provider.refused = {"config-1": [*refused]}
    orders = [*orders_of(1, 2), *orders_of(2, 1)]
    with abreast(provider, passed) as runner:
        runner.plan(orders)
        results = [runner.run(order) for order in orders]
    assert [result.verdict for result in results] == [verdict, verdict, Verdict.OK]
    assert [result.phase for result in results[:2]] == ["build", "build"]
    assert str(refused[0]) in results[0].reason


def test_the_hosts_trouble_with_a_build_is_tried_once_more(provider: Provider) -> None:
    provider.refused = {"config-1": [InfrastructureError("no room")]}
    (order,) = orders_of(1, 1)
    with abreast(provider, passed) as runner:
        runner.plan([order])
        assert runner.run(order).verdict is Verdict.OK


@pytest.mark.parametrize("where", ["provider", "thread"])
@pytest.mark.parametrize("bad", [UserError("no such kernel"), OSError("no such kernel")])
def test_bad_input_and_bugs_are_raised_where_the_cell_is_waited_for(
    provider: Provider, where: str, bad: Exception
) -> None:
    orders = orders_of(1, 2)

    def act(order: Order, _: Provides) -> CellResult:
        if where == "thread":
            raise bad
        return passed(order)

    if where == "provider":
        provider.refused = {"config-1": [bad]}
    with abreast(provider, act) as runner:
        runner.plan(orders)
        for order in orders:
            with pytest.raises(type(bad), match="no such kernel"):
                runner.run(order)


def test_whatever_runs_is_given_up_at_the_end(provider: Provider) -> None:
    begun, unwound = threading.Barrier(3), []

    def act(order: Order, _: Provides) -> CellResult:
        begun.wait(SECONDS)
        limit = Deadline.after(SECONDS)
        try:
            while not limit.expired:
                threading.Event().wait(0.01)
        except NoLongerWanted:
            assert Deadline.after(1.0).remaining > 0, "what cleans up is not disturbed again"
            unwound.append(order.id)
            raise
        return passed(order)

    orders = [*orders_of(1, 2), *orders_of(2, 2)]
    with abreast(provider, act) as runner:
        runner.plan(orders)
        asking = threading.Thread(target=runner.run, args=(orders[0],))
        asking.start()
        begun.wait(SECONDS)
    asking.join(SECONDS)
    assert not any(thread.is_alive() for thread in (asking, *runner._threads))
    assert sorted(unwound) == [orders[0].id, orders[2].id]
    assert not runner.outcomes.has(orders[1].id)


def test_a_thread_at_its_end_has_time_to_end_its_guests(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stopped, said = threading.Event(), threading.Event(), []
    monkeypatch.setattr(GuestPool, "close", lambda _pool: said.append(Deadline.after(9).expired))

    def act(order: Order, _: Provides) -> CellResult:
        begun.set()
        stopped.wait(SECONDS)
        return passed(order)

    (order,) = orders_of(1, 1)
    with abreast(provider, act, guests=1) as runner:
        runner.plan([order])
        asking = threading.Thread(target=runner.run, args=(order,))
        asking.start()
        begun.wait(SECONDS)
        threading.Timer(0.2, stopped.set).start()  # close() has given the thread up by then
    asking.join(SECONDS)
    assert said == [False]


def end_badly(
    monkeypatch: pytest.MonkeyPatch, provider: Provider, trouble: Exception
) -> CellResult | Exception:
    """One cell, guests that waited for another in vain and end badly, and what that comes to."""
    tried = threading.Event()

    def close(_pool: GuestPool) -> None:
        tried.set()
        raise trouble

    monkeypatch.setattr(GuestPool, "close", close)
    monkeypatch.setattr(abreast_module, "_IDLE_SECONDS", 0.01)
    first, second = orders_of(1, 1), orders_of(2, 1)
    with abreast(provider, passed, guests=1) as runner:
        runner.plan(first)
        assert runner.run(first[0]).verdict is Verdict.OK
        assert tried.wait(SECONDS)
        runner.plan(second)
        try:
            return runner.run(second[0])
        except ZeroDivisionError as exc:
            return exc


def test_a_guest_that_ends_badly_is_told_and_its_thread_goes_on(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(provider.progress, "line", told.append)
    trouble = InfrastructureError("the console cannot be written down")
    outcome = end_badly(monkeypatch, provider, trouble)
    assert isinstance(outcome, CellResult)
    assert outcome.verdict is Verdict.OK
    assert "the console cannot be written down" in told[0]


def test_a_bug_in_a_thread_is_raised_and_nobody_waits_for_ever(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = end_badly(monkeypatch, provider, ZeroDivisionError("a bug"))
    assert str(outcome) == "a bug"


def test_a_result_is_heard_of_as_soon_as_it_is_there(provider: Provider) -> None:
    heard: list[str] = []
    orders = orders_of(1, 3)
    with abreast(provider, passed) as runner:
        runner.outcomes.heard = lambda result: heard.append(result.id)
        runner.plan(orders)
        runner.run(orders[2])
    assert heard == [order.id for order in orders]


def test_what_is_said_in_a_thread_is_told_by_who_waits(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []

    def tell(text: str) -> None:
        told.append((text, threading.current_thread().name))

    monkeypatch.setattr(provider.progress, "line", tell)
    (order,) = orders_of(1, 1)

    def act(order: Order, provides: Provides) -> CellResult:
        provides.store.tell("kernel/key is damaged; it is made again")
        return passed(order)

    with abreast(provider, act) as runner:
        runner.plan([order])
        runner.run(order)
    assert told == [("kernel/key is damaged; it is made again", threading.main_thread().name)]
