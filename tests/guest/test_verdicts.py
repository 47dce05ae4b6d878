"""Verdicts on real guests: who is blamed, what is kept, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.errors import KernelReported
from harness.guest.boot import boot
from harness.records import Layout, Verdict
from harness.scenario.expand import Cell, expand
from harness.scenario.find import find_scenario
from harness.target import Target, load_targets
from tests.support.guests import boot_request

pytestmark = pytest.mark.guest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = load_targets()
TARGET = TARGETS["s390x"]


def cell_of(scenario: str, target: Target) -> Cell:
    return next(iter(expand(find_scenario(scenario), {target.name: target})))


def runner(provider: Provider, run_directory: Path) -> CellRunner:
    return CellRunner(provider, RunOptions(), run_directory, GuestPool(0))


def test_a_panic_while_a_command_runs_is_the_kernels(provider: Provider, tmp_path: Path) -> None:
    request = boot_request(provider, TARGET, Layout(2 << 30, 2), tmp_path)
    with pytest.raises(KernelReported) as caught, boot(request) as guest:
        guest.shell.run("echo c > /proc/sysrq-trigger; sleep 60", Deadline.after(60))
    assert "sysrq triggered crash" in caught.value.reports[0].title
    assert b"sysrq triggered crash" in (tmp_path / "console.log").read_bytes()


def test_a_guest_that_is_not_its_target_is_infrastructure(
    provider: Provider, tmp_path: Path
) -> None:
    claims_64k = TARGET.mmu.model_copy(update={"page_size": 65536})
    target = TARGET.model_copy(update={"mmu": claims_64k})
    result = runner(provider, tmp_path).run(Order(cell_of("gup-anon", target)))
    assert result.verdict is Verdict.INFRASTRUCTURE
    assert "the guest is not s390x: page_size is 4096, not 65536" in result.reason
    assert result.retried


def test_a_guest_that_does_something_else_is_a_mismatch(provider: Provider, tmp_path: Path) -> None:
    """Huge pages switched off on the command line: the model was not told."""
    radix = TARGETS["ppc64-radix"]
    words = (*radix.qemu.append, "transparent_hugepage=never")
    target = radix.model_copy(update={"qemu": radix.qemu.model_copy(update={"append": words})})
    cell = cell_of("gup-thp", target)
    result = runner(provider, tmp_path).run(Order(cell))
    assert result.verdict is Verdict.MISMATCH
    (mismatch,) = (m for step in result.steps for m in step.mismatches)
    assert mismatch.expected.name == "thp_faults"
    assert mismatch.observed == 0


def test_an_ok_cell_leaves_the_files_of_its_story(provider: Provider, tmp_path: Path) -> None:
    result = runner(provider, tmp_path).run(Order(cell_of("no-pmem", TARGET)))
    assert result.verdict is Verdict.OK
    (folder,) = tmp_path.iterdir()
    names = {path.name for path in folder.iterdir()}
    assert {"console.log", "steps.jsonl", "qemu.json", "dmesg.txt", "config"} <= names
    steps = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == ["guest", "regions", "gup-test"]
    assert "Linux version" in (folder / "dmesg.txt").read_text()


@pytest.fixture(
    params=[("--guests", "1"), ("--guests", "2"), ("-n", "2")], ids=["alone", "abreast", "xdist"]
)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """pytest on many cells, with a guest of its own already running."""
    command = [sys.executable, "-m", "pytest", "scenarios/gup.yaml", "--arch", "s390x"]
    command += request.param
    process = subprocess.Popen(
        [*command, "-p", "no:cacheprovider", "--results", str(tmp_path / "out")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    deadline = Deadline.after(120)
    while not guests_in(tmp_path) and not deadline.expired:
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def guests_in(directory: Path) -> list[int]:
    """Processes of QEMU whose sockets are below a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if words.startswith((b"qemu-system", b"/usr/bin/qemu-system")) and (
            f"path={directory}/".encode() in words
        ):
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_guest_outlives_the_run(
    running: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    assert guests_in(tmp_path)
    running.send_signal(number)
    running.wait(timeout=60)
    # xdist's workers clean up on their own, after their controller is gone.
    deadline = Deadline.after(60)
    while (guests_in(tmp_path) or folders_in(tmp_path, number)) and not deadline.expired:
        time.sleep(0.05)
    assert guests_in(tmp_path) == []
    assert folders_in(tmp_path, number) == []


def folders_in(directory: Path, number: signal.Signals) -> list[str]:
    """Folders of guests that somebody should have removed; nobody can after SIGKILL."""
    if number == signal.SIGKILL:
        return []
    return [path.name for path in directory.iterdir() if path.name.startswith("daxhound")]
