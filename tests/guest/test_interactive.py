"""Guests for people: the command line to paste, and the shell on a terminal, typed at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from harness.campaign.provide import Needs, Provider
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


@pytest.mark.parametrize("name", ["arm64", "s390x"])
def test_the_printed_command_line_boots(name: str, provider: Provider, tmp_path: Path) -> None:
    provider.provide(Needs(TARGETS[name]))
    command = [*DAXHOUND, "qemu", name, "--scenario", "devdax-map-mem"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    terminal = pexpect.spawn(
        "/bin/sh", ["-c", printed], cwd=str(tmp_path), timeout=120, encoding="utf-8"
    )
    use(terminal, "uname -r", "6.1.")
