"""The side that started a run, against a real scheduler in this process; no guests.

What stands for a worker's task is given by each test.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import distributed
import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import unbuilt
from harness.campaign.order import Order
from harness.campaign.result_json import dump_result
from harness.cluster import agent
from harness.cluster.agent import Agent
from harness.cluster.cells import Job
from harness.cluster.folder import pack_folder
from harness.cluster.link import WorkerLink
from harness.cluster.parcel import Parcel, ParcelFile
from harness.cluster.resources import Resources, kvm_resource, needs
from harness.cluster.runner import connect
from harness.commands.named import choose_cells
from harness.errors import InfrastructureError
from harness.records import CellResult, Verdict
from harness.report.results import folder_name
from harness.scratch import scratch_directory
from harness.store import Store
from tests.support.dask_cluster import dask_cluster

CODE = "code"
CELL = choose_cells(["s390x"], ["gup-anon"])[0]
ORDERS = tuple(Order(replace(CELL, name=f"cell[{number}]")) for number in range(3))
SECONDS = 60.0
PARCEL = Parcel("kernel", "key", (ParcelFile("vmlinux", 5, ""),))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster with one worker that can run the cells."""
    with (
        dask.config.set({"temporary-directory": str(tmp_path_factory.mktemp("dask"))}),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            host="127.0.0.1",
            protocol="tcp",
            dashboard_address="127.0.0.1:0",
            resources=needs(ORDERS, CODE),
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


Task = Callable[[Job, str, str], None]


@pytest.fixture
def start(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Agent]]:
    """An agent whose jobs run as the task that is given."""
    store = Store(tmp_path / "store")
    (store.root / "kernel/key").mkdir(parents=True)
    (store.root / "kernel/key/vmlinux").write_bytes(b"image")
    started: list[Agent] = []

    def begin(task: Task, code: str = CODE, patience: float = SECONDS) -> Agent:
        monkeypatch.setattr(agent, "run_job", task)
        started.append(Agent(client, store, tmp_path / "results", code, patience))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def job(*orders: Order) -> Job:
    nothing: Any = None
    return Job(orders or ORDERS, "debian:6.1", nothing, (PARCEL,), RunOptions(), 1)


class Notes:
    """What tasks tell a test: a file, since a task is a copy of what the test wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def add(self, *words: str) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(words) + "\n")

    def read(self) -> list[list[str]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


def deliver(link: WorkerLink, order: Order) -> None:
    with scratch_directory("test") as folder:
        (folder / "console.log").write_text(order.id)
        result = unbuilt(order, "6.1", Verdict.OK, "")
        link.deliver(order.id, dump_result(result), pack_folder(folder))


def do_all(job: Job, run: str, task: str) -> None:
    with closing(WorkerLink(distributed.get_client(), run, task)) as link:
        for order in job.orders:
            deliver(link, order)


def verdict(one: Agent, order: Order) -> str:
    outcome = one.outcomes.wait(order.id, SECONDS)
    if isinstance(outcome, CellResult):
        return outcome.verdict.value
    return f"{type(outcome).__name__}: {outcome}"


def test_results_and_their_files_come_back(start: Callable[..., Agent], tmp_path: Path) -> None:
    one = start(do_all)
    one.send(job())
    assert [verdict(one, order) for order in ORDERS] == ["ok"] * 3
    for order in ORDERS:
        console = tmp_path / "results" / folder_name(order.id) / "console.log"
        assert console.read_text() == order.id
    assert one.outcomes.notices() == []


def test_of_an_earlier_run_into_the_same_folder_nothing_is_left(
    start: Callable[..., Agent], tmp_path: Path
) -> None:
    """A report would show what another run's guest did."""
    folder = tmp_path / "results" / folder_name(ORDERS[0].id)
    folder.mkdir(parents=True)
    for name in ("console-attempt1.log", "steps-attempt1.jsonl", "qemu.json"):
        (folder / name).write_text("another run's")
    one = start(do_all)
    one.send(job(ORDERS[0]))
    assert verdict(one, ORDERS[0]) == "ok"
    assert (folder / "console.log").read_text() == ORDERS[0].id
    texts = [path.read_text() for path in folder.iterdir()]
    assert "another run's" not in texts


def test_a_task_that_fails_is_sent_again_and_what_it_lacks_alone(
    start: Callable[..., Agent], notes: Notes
) -> None:
    def task(job: Job, run: str, key: str) -> None:
        notes.add(*(order.id for order in job.orders))
        with closing(WorkerLink(distributed.get_client(), run, key)) as link:
            deliver(link, job.orders[0])
        if len(notes.read()) == 1:
            raise InfrastructureError("no room")
        do_all(replace(job, orders=job.orders[1:]), run, key)

    one = start(task)
    one.send(job())
    assert [verdict(one, order) for order in ORDERS] == ["ok"] * 3
    assert notes.read() == [[o.id for o in ORDERS], [o.id for o in ORDERS[1:]]]
    (notice,) = one.outcomes.notices()
    assert "sent to a worker again: no room" in notice
    assert ORDERS[1].id in notice


def test_a_cell_that_fails_every_task_is_the_hosts_trouble_and_no_other_is(
    start: Callable[..., Agent],
) -> None:
    def task(job: Job, run: str, key: str) -> None:
        with closing(WorkerLink(distributed.get_client(), run, key)) as link:
            for order in job.orders:
                if order.id == ORDERS[1].id:
                    raise InfrastructureError("no room")
                deliver(link, order)

    one = start(task)
    one.send(job())
    trouble = "InfrastructureError: no room"
    assert [verdict(one, order) for order in ORDERS] == ["ok", trouble, "ok"]


def test_a_worker_is_told_what_its_task_delivered_before(
    start: Callable[..., Agent], notes: Notes
) -> None:
    def task(job: Job, run: str, key: str) -> None:
        with closing(WorkerLink(distributed.get_client(), run, key)) as link:
            notes.add(*link.delivered())
            deliver(link, job.orders[0])
            notes.add(*link.delivered())
            do_all(replace(job, orders=job.orders[1:]), run, key)

    one = start(task)
    one.send(job())
    assert [verdict(one, order) for order in ORDERS] == ["ok"] * 3
    assert notes.read() == [[], [ORDERS[0].id]]


def test_a_worker_gets_what_its_job_is_made_of_and_nothing_else(
    start: Callable[..., Agent], notes: Notes
) -> None:
    def task(job: Job, run: str, key: str) -> None:
        with closing(WorkerLink(distributed.get_client(), run, key)) as link:
            notes.add(link.ask("kernel", "key", "vmlinux", 2).decode())
            notes.add(link.ask("kernel", "key", "../../../secret", 0).decode())
        do_all(job, run, key)

    one = start(task)
    one.send(job())
    assert verdict(one, ORDERS[0]) == "ok"
    assert notes.read() == [["age"], [""]]


def test_cells_that_no_worker_can_run_are_waited_for_and_then_given_up(
    start: Callable[..., Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "_LOOK_SECONDS", 0.05)
    one = start(do_all, code="another", patience=0.2)
    one.send(job())
    assert "no worker of 1 has this very daxhound" in verdict(one, ORDERS[2])
    assert any("waiting for a worker" in notice for notice in one.outcomes.notices())


def test_cells_that_wait_for_kvm_alone_run_without_once_it_is_gone(
    start: Callable[..., Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "_LOOK_SECONDS", 0.05)
    workers = iter([{kvm_resource("s390x"): 1.0}])

    def prefer(wanted: Resources, *_: Any) -> dict[str, float]:
        return {**wanted, **next(workers, {})}

    monkeypatch.setattr(agent, "preferred", prefer)
    one = start(do_all)
    one.send(job())
    assert [verdict(one, order) for order in ORDERS] == ["ok"] * 3
    assert one.outcomes.notices() == []


def test_kvm_that_is_gone_when_all_is_delivered_takes_no_other_cell_along(
    start: Callable[..., Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task ends later than its last cell."""
    monkeypatch.setattr(agent, "_LOOK_SECONDS", 0.05)

    def task(job: Job, run: str, key: str) -> None:
        do_all(job, run, key)
        worker = distributed.get_worker()
        while len(job.orders) > 1 and worker.state.tasks[key].state == "executing":
            time.sleep(0.01)

    with_and_without_kvm = iter(["KVM is gone", ""])

    def lack(*_: Any) -> str:
        done = all(one.outcomes.has(order.id) for order in ORDERS[:2])
        return next(with_and_without_kvm, "") if done else ""

    monkeypatch.setattr(agent, "lacking", lack)
    one = start(task)
    one.send(job(*ORDERS[:2]))
    assert [verdict(one, order) for order in ORDERS[:2]] == ["ok"] * 2
    one.send(job(ORDERS[2]))
    assert verdict(one, ORDERS[2]) == "ok"


def test_a_lost_scheduler_is_the_hosts_trouble_for_what_is_still_out(tmp_path: Path) -> None:
    with dask_cluster(tmp_path, workers=0) as cluster:
        client = connect(cluster.address)
        one = Agent(client, Store(tmp_path / "store"), tmp_path / "results", CODE, SECONDS)
        one.send(job(*ORDERS[:2]))
        assert one.outcomes.wait(ORDERS[0].id, 0.5) is None
        cluster.scheduler.kill()
        assert "the cluster's scheduler was lost" in verdict(one, ORDERS[0])
        one.send(job(ORDERS[2]))
        assert "the cluster's scheduler was lost" in verdict(one, ORDERS[2])
        one.close()
        client.close()


def test_what_runs_is_cancelled_at_the_end(start: Callable[..., Agent], client: Any) -> None:
    def task(_job: Job, _run: str, key: str) -> None:
        worker = distributed.get_worker()
        while worker.state.tasks[key].state == "executing":
            time.sleep(0.01)

    one = start(task)
    one.send(job())
    deadline = time.monotonic() + SECONDS
    while not any(client.processing().values()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    one.close()
    while any(client.processing().values()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
