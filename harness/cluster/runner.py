"""Carries out orders on a cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from distributed import Client, Security
from distributed.comm.core import connect as comm_connect

from harness.campaign.attempt import RunOptions
from harness.campaign.kept import harness_digest
from harness.campaign.order import Order
from harness.campaign.planned import PlannedRunner
from harness.campaign.provide import Provider, Provisions
from harness.cluster.agent import Agent
from harness.cluster.cells import Job
from harness.cluster.parcel import describe, unrooted
from harness.cluster.resources import CORES, Resources, targets_of
from harness.errors import InfrastructureError
from harness.units import count

_CONNECT_SECONDS = 10


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


class ClusterRunner(PlannedRunner):
    """Builds here, runs there; ``guests`` is how many a worker keeps between two cells."""

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
        self._client = client
        self._kept = guests
        self._agent = Agent(client, provider.store, run_directory, harness_digest(), patience)
        super().__init__(provider, options, run_directory, self._agent.outcomes, tell)

    def describe(self) -> str:
        """How many workers there are now, and what they run."""
        workers = self._workers()
        names = {name for worker in workers for name in worker}
        targets = sorted(targets_of(names)) or ["no target"]
        return (
            f"cluster: {count(len(workers), 'worker')}, {count(_cores(workers), 'core')}: "
            f"{', '.join(targets)}"
        )

    def close(self) -> None:
        """End what runs on the workers, and leave the cluster."""
        self._agent.close()
        self._client.close()

    def _workers(self) -> Sequence[Resources]:
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return [worker["resources"] for worker in workers]

    def _guests(self) -> int:
        return _cores(self._workers())

    def _is_hungry(self) -> bool:
        """Which worker is free, and when, is Dask's to know."""
        return True

    def _send(self, orders: tuple[Order, ...], provisions: Provisions) -> None:
        store = self.provider.store
        self._agent.send(
            Job(
                orders=orders,
                kernel=self.provider.kernel_name,
                provisions=unrooted(provisions, store.root),
                parcels=describe(store, provisions),
                options=self.options,
                guests=self._kept,
            )
        )
