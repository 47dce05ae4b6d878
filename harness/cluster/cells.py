"""A process of its own for a chunk of cells: ended with its guests whenever they are not wanted.

It ends with the worker that started it, also where that is killed: its standard input is a
pipe from there, and nothing but the end of it comes after the job.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Given, Provisions
from harness.campaign.result_json import dump_result
from harness.cluster.parcel import Parcel, rooted
from harness.errors import InfrastructureError
from harness.machine.termination import orderly_termination
from harness.report.results import folder_name
from harness.store import Store

RESULT_FILE: Final = "result.json"
_INTERRUPTED = 130
_LOOK_SECONDS = 0.2
_END_SECONDS = 20.0
_QUOTED = 2000


@dataclass(frozen=True, slots=True)
class Job:
    """Cells for one worker, all on one kernel, and what they boot from.

    ``provisions`` have paths within a store, ``parcels`` are the entries there. ``guests``
    is how many wait for their next cell.
    """

    orders: tuple[Order, ...]
    kernel: str
    provisions: Provisions
    parcels: tuple[Parcel, ...]
    options: RunOptions
    guests: int


class NotWantedError(Exception):
    """Nobody waits for these cells any more; they have been ended."""


def run_apart(job: Job, directory: Path, wanted: Callable[[], bool]) -> Iterator[str]:
    """Run the cells in a process of their own; the id of each as soon as it has finished.

    A cell's folder is then in ``directory``, with its result in :data:`RESULT_FILE`. Raises
    NotWantedError once ``wanted`` says no, InfrastructureError where the process ends early.
    """
    log = directory / "stderr.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.cluster.cells", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # signals to a terminal's group are for the worker
        )
    with _ended(process):
        assert process.stdin is not None  # both are pipes
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(pickle.dumps(job))
            process.stdin.flush()
        yield from _lines(process.stdout, wanted)
        status = process.wait(_END_SECONDS)
    if status != 0:
        said = log.read_text(errors="replace").strip()[-_QUOTED:]
        raise InfrastructureError(f"the process that runs cells ended with {status}: {said}")


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens, the process is gone afterwards, and its guests with it."""
    with process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _lines(stdout: IO[bytes], wanted: Callable[[], bool]) -> Iterator[str]:
    """Lines as they come, until the process closes its end. Raises NotWantedError."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            if not wanted():
                raise NotWantedError
            if not selector.select(_LOOK_SECONDS):
                continue
            data = os.read(stdout.fileno(), 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from (line.decode() for line in lines)


def main(directory: Path) -> int:
    """The process: a job on standard input, an id on standard output for each cell."""
    # Whatever else prints is no answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job: Job = pickle.load(sys.stdin.buffer)
    try:
        with orderly_termination():
            threading.Thread(target=_end_with_the_worker, daemon=True).start()
            for order_id in _run(job, directory):
                print(order_id, file=answers, flush=True)
    except (KeyboardInterrupt, BrokenPipeError):
        return _INTERRUPTED
    return 0


def _run(job: Job, directory: Path) -> Iterator[str]:
    store = Store.default()
    given = Given(store, job.kernel, rooted(job.provisions, store.root))
    with closing(GuestPool(job.guests)) as pool:
        runner = CellRunner(given, job.options, directory, pool)
        for order in job.orders:
            result = runner.run(order)
            (directory / folder_name(order.id) / RESULT_FILE).write_bytes(dump_result(result))
            yield order.id


def _end_with_the_worker() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
