"""A Dask cluster of this host: a scheduler and workers, each a process, on loopback alone."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.deadline import Deadline
from tests.support.checkout import ROOT
from tests.support.processes import processes_with

_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker, and the temporary directory and store that no other has."""

    process: subprocess.Popen[bytes]
    directory: Path

    @property
    def temporary(self) -> Path:
        return self.directory / "tmp"

    @property
    def store(self) -> Path:
        return self.directory / "store"

    @property
    def registered(self) -> bool:
        return b"Registered to" in (self.directory / "log").read_bytes()

    def guests(self) -> list[int]:
        """Process ids of QEMU: its sockets are in the worker's temporary directory."""
        return processes_with(f"{self.temporary}/daxhound-guest-")


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """The scheduler, where it is, and the workers."""

    scheduler: subprocess.Popen[bytes]
    address: str
    workers: tuple[RunningWorker, ...]


@contextlib.contextmanager
def dask_cluster(directory: Path, workers: int) -> Iterator[RunningCluster]:
    """A cluster, up; every process of it is ended afterwards."""
    file = directory / "scheduler.json"
    with contextlib.ExitStack() as stack:
        words = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
        words += ["--no-dashboard", "--scheduler-file", str(file)]
        scheduler = stack.enter_context(_process(words, directory / "scheduler"))
        wait_for(lambda: file.exists() and file.read_text().endswith("}"), _START_SECONDS)
        address: str = json.loads(file.read_text())["address"]
        started = [
            stack.enter_context(_worker(address, directory / f"w{number}"))
            for number in range(workers)
        ]
        wait_for(lambda: all(worker.registered for worker in started), _START_SECONDS)
        yield RunningCluster(scheduler, address, tuple(started))


@contextlib.contextmanager
def _worker(address: str, directory: Path) -> Iterator[RunningWorker]:
    words = ["harness.cli", "worker", address, "--host", "127.0.0.1", "--nthreads", "1"]
    words += ["--no-nanny", "--no-dashboard", "--name", directory.name]
    (directory / "tmp").mkdir(parents=True)
    with _process(words, directory, DAXHOUND_CACHE=str(directory / "store")) as process:
        yield RunningWorker(process, directory)


@contextlib.contextmanager
def _process(
    words: list[str], directory: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    temporary = directory / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    own = {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), **environment}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=directory,
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    """Until it is so; AssertionError where it does not become so."""
    deadline = Deadline.after(seconds)
    while not what():
        assert not deadline.expired
        time.sleep(0.02)
