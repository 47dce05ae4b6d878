"""How a worker and the one who started the run speak: by queues that Dask's scheduler keeps.

A worker says what finished, and asks for pieces of the store. What it said is noted with the
scheduler, under the key of the task: the note is gone once the task is.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

from distributed import Client, Queue

from harness.errors import InfrastructureError

_POLL_SECONDS: Final = 0.01
_ANSWER_SECONDS: Final = 120.0

Message = dict[str, Any]


def inbox_name(run: str) -> str:
    """The queue that the one who started the run reads."""
    return f"daxhound-{run}"


class WorkerLink:
    """A worker's end, for one task."""

    def __init__(self, client: Client, run: str, task: str) -> None:
        self._client = client
        self._task = task
        self._inbox = Queue(inbox_name(run), client=client)
        self._answers_name = f"{inbox_name(run)}-{uuid.uuid4().hex}"
        self._answers = Queue(self._answers_name, client=client)

    def close(self) -> None:
        self._inbox.close()
        self._answers.close()

    def delivered(self) -> set[str]:
        """Cells that this task had finished on a worker that was lost since."""
        return set(self._client.get_metadata([self._task], default={}))

    def deliver(self, order_id: str, result: bytes, files: bytes) -> None:
        """A cell has finished; noted once the scheduler has it."""
        self._inbox.put({"cell": order_id, "result": result, "files": files})
        self._client.set_metadata([self._task, order_id], True)

    def ask(self, kind: str, key: str, name: str, offset: int) -> bytes:
        """A piece of a file. Raises InfrastructureError where none comes."""
        wanted = {"kind": kind, "key": key, "name": name, "offset": offset}
        self._inbox.put({"answers": self._answers_name, "piece": wanted})
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            for answer in self._answers.get(batch=True):
                return bytes(answer)
            time.sleep(_POLL_SECONDS)
        raise InfrastructureError(f"{kind}/{key}/{name}: no answer in {_ANSWER_SECONDS:.0f} s")
