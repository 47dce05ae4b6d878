"""A guest's shell over its ports and over ssh, as its init, dropbear and busybox have it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.errors import InfrastructureError, KernelFailure
from harness.guest.aside import ask_aside
from harness.guest.boot import Guest, boot
from harness.records import Layout
from tests.support.guests import boot_request
from tests.support.targets import main_targets

pytestmark = pytest.mark.guest

TARGET = main_targets()["s390x"]


@pytest.fixture(scope="module", params=["serial", "ssh"])
def guest(provider: Provider, request: pytest.FixtureRequest) -> Iterator[Guest]:
    layout = Layout(ram_bytes=2 << 30, cpus=2)
    with TemporaryDirectory(prefix="dx-", dir="/tmp") as name:
        wanted = boot_request(provider, TARGET, layout, Path(name), transport=request.param)
        with boot(wanted) as guest:
            yield guest


def soon() -> Deadline:
    return Deadline.after(60)


def test_streams_and_status_come_back_apart(guest: Guest) -> None:
    record = guest.shell.run("echo out; echo err >&2; exit 3", soon())
    assert (record.status, record.stdout, record.stderr) == (3, "out\n", "err\n")
    assert record.command == "echo out; echo err >&2; exit 3"


def test_output_comes_back_as_it_was_said(guest: Guest) -> None:
    assert guest.shell.run("printf 'no line feed'", soon()).stdout == "no line feed"
    assert guest.shell.run(r"printf '\377\000.\n'", soon()).stdout == "\\xff\x00.\n"
    assert guest.shell.run("cat <<'.'\nfirst\n.\necho \"it's\" # second", soon()).stdout == (
        "first\nit's\n"
    )
    assert len(guest.shell.run("head -c 1000000 /dev/zero", soon()).stdout) == 1_000_000


def test_signal_is_128_and_its_number(guest: Guest) -> None:
    assert guest.shell.run("sh -c 'kill -BUS $$'", soon()).status == 128 + 7
    assert guest.shell.run("true; exec sh -c 'kill -KILL $$'", soon()).status == 128 + 9


def test_a_command_reads_nothing_and_leaves_nothing_to_the_next(guest: Guest) -> None:
    command = "cat; cd /proc; left=here; exec >/dev/null"
    assert guest.shell.run(command, soon()).stdout == ""
    assert guest.shell.run('pwd; echo "$left"', soon()).stdout == "/root\n\n"


def test_a_long_script_gets_there_whole(guest: Guest) -> None:
    script = "\n".join(f"word{number}=$((1 + 0))" for number in range(40_000))
    assert guest.shell.run(f"{script}\necho $word39999", soon()).stdout == "1\n"


def test_a_script_that_is_none_fails_by_itself(guest: Guest) -> None:
    record = guest.shell.run("if true; then (", soon())
    assert record.status == 2
    assert "syntax error" in record.stderr
    assert guest.shell.run("echo well", soon()).stdout == "well\n"


def test_what_runs_for_the_shell_is_seen_from_aside(guest: Guest) -> None:
    with pytest.raises(
        KernelFailure, match=r"'sleep 8' does not end[^$]*busy: (sh|sleep) \(S in \w+\)"
    ):
        guest.shell.run("sleep 8", Deadline.after(1))
    assert guest.shell.run("echo well", soon()).stdout.endswith("well\n")
    aside = ask_aside(guest.watch.other_line, guest.console, soon())
    assert aside.answered
    assert aside.busy == ()


def test_a_shell_that_is_gone_is_the_connections_loss(guest: Guest) -> None:
    with pytest.raises(InfrastructureError, match=r"(ssh|the serial line) lost in 'kill -9 \$\$'"):
        guest.shell.run("kill -9 $$", soon())
