"""A run of a series that is killed, and started again: what was finished is not run again."""

from __future__ import annotations

import difflib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.provide import Needs, Provider
from harness.commands.named import choose_cells
from harness.deadline import Deadline
from harness.target import load_targets
from tests.support.processes import processes_with

pytestmark = pytest.mark.guest

ROOT = Path(__file__).resolve().parents[2]
TARGET = "ppc64-hash"
LEAF = "mm/mincore.c"
CELLS = len(choose_cells([TARGET], ["gup-anon"]))
SECONDS = 300.0


@pytest.fixture
def series(provider: Provider, tmp_path: Path) -> Path:
    """A patch and its revert: two kernels by name, and nothing to be built."""
    before = (provider.provide(Needs(load_targets()[TARGET])).kernel.source / LEAF).read_text()
    after = before + "/* and no more */\n"
    folder = tmp_path / "series"
    folder.mkdir()
    for number, (old, new) in enumerate([(before, after), (after, before)], start=1):
        was, now = (text.splitlines(keepends=True) for text in (old, new))
        diff = difflib.unified_diff(was, now, f"a/{LEAF}", f"b/{LEAF}")
        (folder / f"{number}.patch").write_text("".join(diff))
    return folder


def start(series: Path, results: Path, patience: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "scenarios/gup.yaml", "-k", "gup-anon["]
    # One after the other: two kernels that are alike would be run at once, and one result kept.
    command += ["--arch", TARGET, "--series", str(series), "-p", "no:cacheprovider", "--guests=1"]
    # Part of what a result is kept under: no other run has results for it.
    command += [f"--patience={patience}", f"--results={results}"]
    environment = {**os.environ, "TMPDIR": str(results.parent)}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, stdout=quiet, stderr=quiet, env=environment)


def finished(results: Path) -> dict[str, Any]:
    """What tells one run of a cell from another, by the cell, of those that were compared."""
    try:
        cells = json.loads((results / "run.json").read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        return {}
    return {cell["id"]: cell["guest_seconds"] for cell in cells if cell["comparison"]}


def wait_for(what: Callable[[], bool]) -> None:
    deadline = Deadline.after(SECONDS)
    while not what():
        assert not deadline.expired
        time.sleep(0.02)


def below(directory: Path) -> list[int]:
    """Processes that name a directory in their command line: guests, by their sockets."""
    return processes_with(f"{directory}/daxhound-")


def test_a_killed_run_loses_nothing_that_was_finished(series: Path, tmp_path: Path) -> None:
    patience = 2 + random.random()
    first, second = tmp_path / "first", tmp_path / "second"
    run = start(series, first, patience)
    try:
        wait_for(lambda: bool(finished(first)) or run.poll() is not None)
        time.sleep(random.uniform(0, 2))
    finally:
        run.kill()
        run.wait()
    done = finished(first)
    wait_for(lambda: not below(tmp_path))
    assert 1 <= len(done) <= CELLS
    assert start(series, second, patience).wait(SECONDS) == 0
    again = finished(second)
    assert len(again) == CELLS
    assert {cell: again[cell] for cell in done} == done
    assert below(tmp_path) == []
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith("daxhound-")]
    assert left == []
