"""Cells on a Dask cluster: scheduler and workers are processes of their own, guests are real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.provide import Needs, Provider
from harness.target import load_targets
from tests.support.dask_cluster import RunningCluster, RunningWorker, dask_cluster, wait_for
from tests.support.processes import heed_signals
from tests.support.scenarios import CONFTEST

pytestmark = pytest.mark.guest

TARGET = "ppc64-radix"
CELLS = 12
# Three chunks for two workers.
SCENARIO = f"""\
scenario: far
summary: base pages
targets: [{TARGET}]
layout: {{ram: 1G}}
parameters:
  command: [get-fast, get, pin-fast, pin]
  size: [4M, 8M, 16M]
steps:
  - gup-test: {{command: $command, memory: anon, huge: false, size: $size}}
"""
SECONDS = 600.0
# What does not depend on when and where a cell ran.
SAME = ("id", "verdict", "reason", "compared", "rules", "phase", "kernel", "file", "reproduce")


@pytest.fixture
def cluster(provider: Provider, tmp_path: Path) -> Iterator[RunningCluster]:
    """Two workers with empty stores; the kernel is there for whoever starts a run."""
    provider.provide(Needs(load_targets()[TARGET]))
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / "conftest.py").write_text(CONFTEST)
    (scenarios / "far.yaml").write_text(SCENARIO)
    with dask_cluster(tmp_path, workers=2) as running:
        yield running


def start(tmp_path: Path, results: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", "scenarios", "--rootdir=.", "-p", "no:cacheprovider"]
    command += ["--arch", TARGET, "--results", results, *words]
    return subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heed_signals,
    )


def finish(run: subprocess.Popen[str]) -> str:
    said, _ = run.communicate(timeout=SECONDS)
    return said


def cells_in(results: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads((results / "run.json").read_text())["cells"]
    return cells


def ran_on(worker: RunningWorker, results: Path) -> dict[str, list[str]]:
    """Folders of the cells that a worker ran to their end, and who was before them there."""
    found = {}
    for path in results.glob("*/qemu.json"):
        described = json.loads(path.read_text())
        if any(str(worker.temporary) in word for word in described["argv"]):
            found[path.parent.name] = described["cells_before"]
    return found


def folder_of(cell_id: str) -> str:
    return cell_id.replace("::", "--")


def test_a_lost_workers_cells_run_elsewhere(
    cluster: RunningCluster, provider: Provider, tmp_path: Path
) -> None:
    results = tmp_path / "far"
    run = start(tmp_path, "far", "--cluster", cluster.address, "--junitxml=far.xml")
    try:
        one, other = cluster.workers
        wait_for(lambda: bool(ran_on(one, results) and one.guests()), SECONDS)
        one.process.kill()
        wait_for(lambda: not one.guests(), 30)
    finally:
        said = finish(run)
    assert run.returncode == 0, said
    assert f"{CELLS} passed" in said

    # What had finished is kept, and was not run again.
    before, after = ran_on(one, results), ran_on(other, results)
    assert before
    assert len(before) + len(after) == CELLS
    again = {folder_of(cell) for cells in after.values() for cell in cells} & set(before)
    assert again == set()
    assert other.guests() == []

    # As if it had been run here.
    here = start(tmp_path, "near")
    assert "12 passed" in finish(here)
    far, near = (
        [{name: cell[name] for name in SAME} for cell in cells_in(tmp_path / folder)]
        for folder in ("far", "near")
    )
    by_id = itemgetter("id")  # guests at once end out of order
    assert sorted(far, key=by_id) == sorted(near, key=by_id)
    files = {path.name for path in (tmp_path / "near").glob("*/*")}
    assert {path.name for path in results.glob("*/*")} == files

    # The kernel came once, and is what was sent.
    kernel = Path("kernel", provider.provide(Needs(load_targets()[TARGET])).kernel.key)
    image = (provider.store.root / kernel / "vmlinux").read_bytes()
    assert (other.store / kernel / "vmlinux").read_bytes() == image
    arrived = (other.store / kernel).stat().st_mtime_ns
    assert "1 passed" in finish(
        start(tmp_path, "more", "--cluster", cluster.address, "-k", "get-fast-4M")
    )
    assert (other.store / kernel).stat().st_mtime_ns == arrived


def test_ctrl_c_leaves_no_guest(cluster: RunningCluster, tmp_path: Path) -> None:
    run = start(tmp_path, "far", "--cluster", cluster.address)
    try:
        wait_for(lambda: any(worker.guests() for worker in cluster.workers), SECONDS)
        os.kill(run.pid, signal.SIGINT)
    finally:
        said = finish(run)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, said
    assert "Traceback" not in said
    wait_for(lambda: not any(worker.guests() for worker in cluster.workers), 60)
    # And the cluster is there for the next one.
    assert "1 passed" in finish(
        start(tmp_path, "more", "--cluster", cluster.address, "-k", "get-fast-4M")
    )


def test_whoever_started_the_run_is_killed(cluster: RunningCluster, tmp_path: Path) -> None:
    run = start(tmp_path, "far", "--cluster", cluster.address)
    try:
        wait_for(lambda: any(worker.guests() for worker in cluster.workers), SECONDS)
    finally:
        run.kill()
        finish(run)
    wait_for(lambda: not any(worker.guests() for worker in cluster.workers), 60)
