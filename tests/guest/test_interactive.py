"""Guests for people: the command line to paste, and the shell on a terminal, typed at."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

from harness.campaign.provide import Needs, Provider
from harness.deadline import Deadline
from harness.scratch import scratch_directory
from tests.support.targets import main_targets

pytestmark = pytest.mark.guest

TARGETS = main_targets()
DAXHOUND = [sys.executable, "-m", "harness.cli"]
PROMPT = "~ # "


def use(terminal: pexpect.spawn[str], command: str, said: str) -> None:
    """Type a command at the guest's prompt, see its answer, and leave."""
    terminal.expect_exact(PROMPT)
    terminal.sendline(command)
    terminal.expect_exact(said)
    terminal.expect_exact(PROMPT)
    terminal.sendline("exit")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.parametrize("name", TARGETS)
def test_shell_has_the_scenarios_devices(name: str, provider: Provider) -> None:
    provider.provide(Needs(TARGETS[name]))
    arguments = [*DAXHOUND, "shell", name, "--scenario", "two-devices"]
    terminal = pexpect.spawn(arguments[0], arguments[1:], timeout=120, encoding="utf-8")
    found = 2 if TARGETS[name].pmem else 0
    use(terminal, "echo found $(ls -d /sys/bus/nd/devices/region* | wc -l)", f"found {found}\r")


def test_a_shell_says_how_it_is_left_and_is_left_so(provider: Provider) -> None:
    provider.provide(Needs(TARGETS["x86_64"]))
    terminal = pexpect.spawn(
        DAXHOUND[0], [*DAXHOUND[1:], "shell", "x86_64"], timeout=120, encoding="utf-8"
    )
    terminal.expect_exact("type exit to power the guest off; Ctrl-A x ends it at any time")
    terminal.expect_exact(PROMPT)
    terminal.send("\x01x")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_shell_that_is_ended_from_outside_leaves_nothing(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Below a shell that goes on, as a person's does; after kill -9 the next run sweeps."""
    provider.provide(Needs(TARGETS["x86_64"]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command = shlex.join([*DAXHOUND, "shell", "x86_64", "--scenario", "two-devices"])
    script = f"stty -echo; echo before $(stty -g); {command}; echo after $(stty -g)"
    terminal = pexpect.spawn("/bin/sh", ["-c", script], timeout=120, encoding="utf-8")
    before = expect_word(terminal, "before")
    terminal.expect_exact(PROMPT)
    assert terminal.pid
    (harness,) = children(terminal.pid)
    (qemu,) = children(harness)
    os.kill(harness, number)
    after = expect_word(terminal, "after")
    wait_for_end(qemu)
    assert number is signal.SIGKILL or after == before
    terminal.close()
    with scratch_directory("next"):
        assert [path.name for path in tmp_path.glob("daxhound-shell-*")] == []


def expect_word(terminal: pexpect.spawn[str], name: str) -> str:
    terminal.expect(rf"{name} (\S+)\s")
    assert isinstance(terminal.match, re.Match)
    return str(terminal.match[1])


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_end(pid: int) -> None:
    deadline = Deadline.after(60)
    while Path(f"/proc/{pid}").exists():
        assert not deadline.expired
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["arm64", "s390x"])
def test_the_printed_command_line_boots(name: str, provider: Provider, tmp_path: Path) -> None:
    provider.provide(Needs(TARGETS[name]))
    command = [*DAXHOUND, "qemu", name, "--scenario", "devdax-map-mem"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    terminal = pexpect.spawn(
        "/bin/sh", ["-c", printed], cwd=str(tmp_path), timeout=120, encoding="utf-8"
    )
    use(terminal, "uname -r", "6.1.")
