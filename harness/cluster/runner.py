"""Carries out orders on a cluster: the same face as :class:`harness.campaign.cell.CellRunner`."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from distributed import Client, Security
from distributed.comm.core import connect as comm_connect

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner, unbuilt
from harness.campaign.kept import harness_digest
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Needs, Provider
from harness.cluster.agent import Agent, Outcome
from harness.cluster.cells import Job
from harness.cluster.chunks import CORES, Resources, cut, targets_of
from harness.cluster.parcel import describe, unrooted
from harness.errors import InfrastructureError, KernelFailure, UserError
from harness.records import CellResult, Verdict
from harness.units import count

_CONNECT_SECONDS = 10
_LOOK_SECONDS = 0.5


def connect(address: str) -> Client:
    """A cluster by its scheduler's address. Raises InfrastructureError where none answers.

    TLS is as Dask's configuration has it.
    """
    _silence_dask()
    try:
        # First of all: a Client that could not connect takes its time to go away.
        asyncio.run(_call(address))
        return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as exc:
        raise InfrastructureError(f"no Dask scheduler answers at {address}: {exc}") from exc


async def _call(address: str) -> None:
    arguments = Security().get_connection_args("client")
    comm = await comm_connect(address, timeout=_CONNECT_SECONDS, **arguments)
    await comm.close()


def _silence_dask() -> None:
    """What Dask logs is said better by this side; its loggers have levels of their own."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _cores(workers: Iterable[Resources]) -> int:
    return int(sum(worker.get(CORES, 0) for worker in workers))


class ClusterRunner:
    """Builds here, runs there: ``plan`` says ahead what will be asked for.

    ``guests`` is how many a worker keeps between two cells, ``tell`` how a person hears of
    waits.
    """

    def __init__(
        self,
        client: Client,
        provider: Provider,
        options: RunOptions,
        run_directory: Path,
        *,
        guests: int,
        patience: float,
        tell: Callable[[str], None],
    ) -> None:
        self.provider = provider
        self.options = options
        self.run_directory = run_directory
        self._client = client
        self._guests = guests
        self._tell = tell
        self._agent = Agent(client, provider.store, run_directory, harness_digest(), patience)
        self._planned: deque[tuple[Order, ...]] = deque()
        self._known: set[str] = set()

    def plan(self, orders: Iterable[Order]) -> None:
        """Orders that will be run, in the order in which they will be asked for."""
        guests = (order for order in orders if order.cell.needs_guest)
        new = {order.id: order for order in guests if order.id not in self._known}
        self._known |= set(new)
        if new:
            self._planned.extend(cut(tuple(new.values()), _cores(self._workers())))

    def describe(self) -> str:
        """How many workers there are now, and what they run."""
        workers = self._workers()
        names = {name for worker in workers for name in worker}
        targets = sorted(targets_of(names)) or ["no target"]
        return (
            f"{count(len(workers), 'worker')}, {count(_cores(workers), 'core')}: "
            f"{', '.join(targets)}"
        )

    def _workers(self) -> Sequence[Resources]:
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return [worker["resources"] for worker in workers]

    def run(self, order: Order) -> CellResult:
        """The cell's result, awaited; here for one without a guest, which takes seconds.

        Raises what ``CellRunner.run`` raises.
        """
        if not order.cell.needs_guest:
            here = CellRunner(self.provider, self.options, self.run_directory, GuestPool(0))
            return here.run(order)
        self.plan([order])
        while True:
            outcome = self._agent.outcome(order, 0 if self._planned else _LOOK_SECONDS)
            for notice in self._agent.notices():
                self._tell(notice)
            if outcome is not None:
                return self._result(order, outcome)
            if self._planned:
                self._send(self._planned.popleft())

    def close(self) -> None:
        """End what runs on the workers, and leave the cluster."""
        self._agent.close()
        self._client.close()

    def _send(self, orders: tuple[Order, ...]) -> None:
        """Build or find what a chunk boots from, and send it off."""
        first, cell = orders[0], orders[0].cell
        try:
            provisions = self.provider.provide(Needs.of(cell, first.patches))
            store = self.provider.store
            job = Job(
                orders=orders,
                kernel=self.provider.kernel_name,
                provisions=unrooted(provisions, store.root),
                parcels=describe(store, provisions),
                options=self.options,
                guests=self._guests,
            )
        except UserError as exc:
            self._agent.settle(orders, exc)
        except InfrastructureError as exc:
            self._not_built(orders, Verdict.INFRASTRUCTURE, exc)
        except KernelFailure as exc:
            self._not_built(orders, Verdict.KERNEL_FAILURE, exc)
        else:
            self._agent.send(job)

    def _not_built(self, orders: Iterable[Order], verdict: Verdict, why: Exception) -> None:
        for order in orders:
            result = unbuilt(order, self.provider.kernel_name, verdict, str(why))
            self._agent.settle([order], result)

    def _result(self, order: Order, outcome: Outcome) -> CellResult:
        if isinstance(outcome, UserError):
            raise outcome
        if isinstance(outcome, CellResult):
            return outcome
        kernel = self.provider.kernel_name
        return unbuilt(order, kernel, Verdict.INFRASTRUCTURE, str(outcome), phase="worker")
