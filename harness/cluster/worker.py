"""The worker of a cluster: Dask's own, which says what its host can do, and runs cells."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from distributed import Status, Worker, get_client, get_worker

from harness.campaign.kept import harness_digest
from harness.cluster.cells import RESULT_FILE, Job, run_apart
from harness.cluster.folder import pack_folder
from harness.cluster.host import offers
from harness.cluster.link import WorkerLink
from harness.cluster.parcel import take_in
from harness.report.results import folder_name
from harness.scratch import scratch_directory
from harness.share import available_memory, usable_cores
from harness.store import Store
from harness.target import load_targets

_LEAVING = (Status.closing, Status.closed, Status.failed)


class GuestWorker(Worker):
    """``dask worker --worker-class harness.cluster.worker.GuestWorker``.

    ``resources`` that are given count more than what is found.
    """

    def __init__(
        self,
        *args: Any,
        nthreads: int | None = None,
        resources: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        cores = nthreads or usable_cores()
        found = offers(
            load_targets().values(),
            Store.default().root,
            harness_digest(),
            cores,
            available_memory(),
        )
        super().__init__(
            *args, nthreads=nthreads, resources={**found, **(resources or {})}, **kwargs
        )


def run_job(job: Job, run: str, task: str) -> None:
    """The task: cells that nobody has yet, each delivered as it finishes.

    Raises InfrastructureError for what is this host's trouble, NotWantedError where the run
    was ended.
    """
    worker = get_worker()
    store = Store.default()
    with closing(WorkerLink(get_client(), run, task)) as link:
        known = link.delivered()
        left = replace(job, orders=tuple(o for o in job.orders if o.id not in known))
        take_in(store, job.parcels, link.ask)
        with scratch_directory("cells") as directory:
            for order_id in run_apart(left, directory, _is_wanted(worker, task)):
                folder = directory / folder_name(order_id)
                result = (folder / RESULT_FILE).read_bytes()
                link.deliver(order_id, result, pack_folder(folder))


def _is_wanted(worker: Worker, task: str) -> Callable[[], bool]:
    """Whether the worker stays, and its scheduler still wants this task of it."""

    def ask() -> bool:
        state = worker.state.tasks.get(task)
        wanted = state is not None and state.state not in ("cancelled", "resumed")
        return wanted and worker.status not in _LEAVING

    return ask
