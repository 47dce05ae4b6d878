"""The shell by turns against a real sh of the host, which has sockets where guests have ports."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from harness.deadline import Deadline
from harness.errors import InfrastructureError, KernelFailure, KernelReported
from harness.guest.console import Console
from harness.guest.serial import SerialLine, open_serial
from harness.guest.turns import TurnShell
from harness.guest.watch import GuestWatch


class Clean:
    """A watch over a guest that has nothing to say for itself."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def check(self) -> None:
        self.console.check()

    def explain_silence(self, what: str) -> KernelFailure:
        return KernelFailure(what)

    def explain_lost(self, what: str) -> KernelFailure:
        return KernelFailure(what)


@dataclass
class Ends:
    """A console with both its ends, and the guest's ends of the host's line."""

    console: Console
    guest_console: socket.socket
    line: SerialLine
    commands: socket.socket
    errors: socket.socket

    @property
    def watch(self) -> GuestWatch:
        return cast(GuestWatch, Clean(self.console))


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    with (
        listen(tmp_path / "console") as for_console,
        listen(tmp_path / "commands") as for_commands,
        listen(tmp_path / "errors") as for_errors,
        Console(tmp_path / "console", tmp_path / "console.log") as console,
        closing(SerialLine(tmp_path / "commands", tmp_path / "errors")) as line,
    ):
        accepted = [which.accept()[0] for which in (for_console, for_commands, for_errors)]
        guest_console, commands, errors = accepted
        with guest_console, commands, errors:
            yield Ends(console, guest_console, line, commands, errors)


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


@pytest.fixture
def shell(ends: Ends) -> Iterator[TurnShell]:
    port, errors = ends.commands.fileno(), ends.errors.fileno()
    with subprocess.Popen(["sh"], stdin=port, stdout=port, stderr=errors) as process:
        with open_serial(ends.line, ends.watch, soon()) as shell:
            yield shell
        process.kill()


def soon() -> Deadline:
    """Seconds that nothing here takes, but for a host that does much else."""
    return Deadline.after(60)


def test_streams_and_status_come_back_apart(shell: TurnShell) -> None:
    record = shell.run("echo out; echo err >&2; exit 3", soon())
    assert (record.status, record.stdout, record.stderr) == (3, "out\n", "err\n")
    assert record.command == "echo out; echo err >&2; exit 3"


def test_signal_is_128_and_its_number(shell: TurnShell) -> None:
    assert shell.run("sh -c 'kill -BUS $$'", soon()).status == 128 + 7
    assert shell.run("true; exec sh -c 'kill -KILL $$'", soon()).status == 128 + 9


def test_output_that_looks_like_an_end_or_is_no_text_is_only_output(shell: TurnShell) -> None:
    record = shell.run(r"printf '\n0123456789abcdef 0\n\377\000.\n'", soon())
    assert record.stdout == "\n0123456789abcdef 0\n\\xff\x00.\n"
    ended = shell.run("printf '\ndaxhound: the shell has ended\n'", soon())
    assert ended.stdout == "\ndaxhound: the shell has ended\n"


def test_command_over_many_lines_with_a_here_document(shell: TurnShell) -> None:
    record = shell.run("cat <<'.'\nfirst\n.\necho second # comment", soon())
    assert record.stdout == "first\nsecond\n"


def test_without_input_a_command_reads_nothing(shell: TurnShell) -> None:
    assert shell.run("cat; echo done", soon()).stdout == "done\n"


def test_long_output_is_cut_and_says_so(shell: TurnShell) -> None:
    record = shell.run(f"head -c {(16 << 20) + 24} /dev/zero | tr '\\0' x", soon())
    assert record.stdout == "x" * (16 << 20) + "\n[daxhound: 24 more bytes were dropped]\n"


def test_a_long_script_gets_there_whole(shell: TurnShell) -> None:
    script = "\n".join(f"word{number}=" for number in range(100_000))
    assert shell.run(f"{script}\necho whole", soon()).stdout == "whole\n"


def test_a_shell_that_is_gone_is_known_by_what_init_says(ends: Ends) -> None:
    shell = TurnShell(ends.line, ends.watch)
    for byte in b"\ndaxhound: the shell has ended\n":
        ends.commands.send(bytes([byte]))
        ends.errors.send(bytes([byte]))
    with pytest.raises(KernelFailure, match=r"the serial line lost in 'true'.*has ended"):
        shell.run("true", soon())


def test_a_line_that_is_closed_is_lost(ends: Ends) -> None:
    ends.errors.close()
    with pytest.raises(KernelFailure, match="the serial line lost in 'true'"):
        TurnShell(ends.line, ends.watch).run("true", soon())


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="no connection to the guest's shell"):
        SerialLine(tmp_path / "commands", tmp_path / "errors")


def test_command_that_does_not_end_meets_the_deadline(shell: TurnShell) -> None:
    with pytest.raises(KernelFailure, match=r"sleep 20.*does not end"):
        shell.run("exec sleep 20", Deadline.after(0.2))


def test_report_on_the_console_is_raised_while_a_command_runs(shell: TurnShell, ends: Ends) -> None:
    ends.guest_console.sendall(b"[    1.5] Kernel panic - not syncing: test\n")
    ends.guest_console.sendall(b"[    1.6] ---[ end Kernel panic - not syncing: test ]---\n")
    with pytest.raises(KernelReported):
        shell.run("sleep 20", Deadline.after(30))
