"""The one who started a run, towards the cluster: a thread that sends chunks and takes results.

Dask runs a lost worker's task again on another, and after a few lost workers no more; what a
chunk lacks when its task has ended is sent once more by this side.
"""

from __future__ import annotations

import tarfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from distributed import Client, Future, Queue

from harness.campaign.order import Order
from harness.campaign.outcomes import Outcome, Outcomes
from harness.campaign.result_json import load_result
from harness.cluster.cells import Job
from harness.cluster.folder import unpack_folder
from harness.cluster.link import Message, inbox_name
from harness.cluster.parcel import read_piece
from harness.cluster.resources import Resources, lacking, needs, preferred
from harness.cluster.worker import run_job
from harness.errors import InfrastructureError
from harness.report.results import CellFolder
from harness.store import Store

_POLL_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 2.0
# So often is a cell sent again whose task failed; Dask's own tries on other workers come on top.
_AGAIN: Final = 1


@dataclass(slots=True)
class _Sent:
    """A job on its way: ``starving`` is since when no worker would do."""

    job: Job
    needs: Resources
    future: Future[None]
    starving: float | None = None


class Agent:
    """Sends jobs to a cluster; ``outcomes`` has what came of them.

    ``patience`` is how many seconds cells wait for a worker that can run them.
    """

    def __init__(
        self, client: Client, store: Store, run_directory: Path, code: str, patience: float
    ) -> None:
        self._client = client
        self._store = store
        self._run_directory = run_directory
        self._code = code
        self._patience = patience
        self._run = uuid.uuid4().hex[:12]
        self._inbox = Queue(inbox_name(self._run), client=client)
        self._sent: dict[str, _Sent] = {}
        self._failed: Counter[str] = Counter()
        self._allowed: set[tuple[str, str, str]] = set()
        self._looked = 0.0
        self.outcomes = Outcomes()
        self._lock = threading.Lock()
        self._waiting: list[Job] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="daxhound-cluster", daemon=True)
        self._thread.start()

    def send(self, job: Job) -> None:
        """Have a job run."""
        with self._lock:
            self._waiting.append(job)

    def close(self) -> None:
        """End what runs. Workers end the guests of a task that is cancelled."""
        self._stopped = True
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._stopped:
                self._send_waiting()
                # In this order: what a task said before it ended is in the inbox.
                ended = [key for key, sent in self._sent.items() if sent.future.done()]
                if not self._receive():
                    time.sleep(_POLL_SECONDS)
                for key in ended:
                    self._conclude(self._sent.pop(key))
                self._look_for_workers()
        except Exception as exc:  # Dask's have no base of their own
            self.outcomes.lose(InfrastructureError(f"the cluster's scheduler was lost: {exc}"))
        finally:
            if self._client.status == "running":
                self._client.cancel([sent.future for sent in self._sent.values()])
                self._inbox.close()

    def _send_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for job in waiting:
            self._send(job)

    def _send(self, job: Job) -> None:
        self._allowed |= {(p.kind, p.key, f.name) for p in job.parcels for f in p.files}
        arch = job.orders[0].cell.target.arch
        wanted = preferred(needs(job.orders, self._code), arch, self._workers())
        key = f"daxhound-{self._run}-{uuid.uuid4().hex[:12]}"
        future = self._client.submit(
            run_job, job, self._run, key, key=key, pure=False, resources=wanted
        )
        self._sent[key] = _Sent(job, wanted, future)

    def _workers(self) -> Sequence[Resources]:
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return [worker["resources"] for worker in workers.values()]

    def _receive(self) -> bool:
        """Read what has come; whether anything has."""
        messages: list[Message] = self._inbox.get(batch=True)
        for message in messages:
            if "cell" in message:
                self._take(message)
            else:
                self._answer(message)
        return bool(messages)

    def _take(self, message: Message) -> None:
        order_id = str(message["cell"])
        if self.outcomes.has(order_id):
            return
        outcome: Outcome
        try:
            # Of an earlier run into the same folder nothing is to be left.
            unpack_folder(message["files"], CellFolder(self._run_directory, order_id).path)
            outcome = load_result(message["result"])
        except (OSError, ValueError, tarfile.TarError, InfrastructureError) as exc:
            outcome = InfrastructureError(f"the cell's results cannot be kept: {exc}")
        self.outcomes.settle(order_id, outcome)

    def _answer(self, message: Message) -> None:
        """A worker lacks a piece of the store. Nothing but what was promised is given."""
        piece = message["piece"]
        name = (piece["kind"], piece["key"], piece["name"])
        data = b""
        if name in self._allowed:
            with suppress(OSError):  # the worker sees that it ends too soon
                data = read_piece(self._store, *name, int(piece["offset"]))
        answers = Queue(message["answers"], client=self._client)
        answers.put(data)
        answers.close()

    def _conclude(self, sent: _Sent) -> None:
        """A task has ended: cells without a result are sent again, or given up."""
        left = self._left(sent)
        if not left:
            return
        reason = self._why(sent.future)
        # The first of them was running; those behind it had no chance yet.
        first = left[0]
        self._failed[first.id] += 1
        if self._failed[first.id] > _AGAIN:
            self.outcomes.settle(first.id, InfrastructureError(reason))
            left = left[1:]
        else:
            self.outcomes.notice(f"{first.id} is sent to a worker again: {reason}")
        if left:
            self._send(replace(sent.job, orders=left))

    def _left(self, sent: _Sent) -> tuple[Order, ...]:
        """The cells of a job that have come to nothing yet."""
        return tuple(o for o in sent.job.orders if not self.outcomes.has(o.id))

    @staticmethod
    def _why(future: Future[None]) -> str:
        exc = future.exception() if future.status == "error" else None
        return f"{exc}" if exc else f"its task came to nothing ({future.status})"

    def _look_for_workers(self) -> None:
        """Jobs that no worker will do for: without KVM, with a word, and at last without."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        workers = self._workers()
        for key, sent in list(self._sent.items()):
            lack = lacking(sent.needs, workers)
            if not lack or sent.future.done():
                sent.starving = None
            elif not lacking(needs(sent.job.orders, self._code), workers):
                self._recall(key)  # it waits for KVM alone, which is gone
                if left := self._left(sent):  # it may have ended just now
                    self._send(replace(sent.job, orders=left))
            elif sent.starving is None:
                sent.starving = self._looked
                self.outcomes.notice(f"waiting for a worker: {lack}")
            elif self._looked - sent.starving > self._patience:
                self._recall(key)
                for order in self._left(sent):
                    self.outcomes.settle(order.id, InfrastructureError(lack))

    def _recall(self, key: str) -> None:
        self._client.cancel([self._sent.pop(key).future])
