"""The serial shell against a real sh of the host that reads a socket as its script."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from harness.deadline import Deadline
from harness.errors import KernelFailure, KernelReported
from harness.guest.console import Console
from harness.guest.serial import SerialShell, open_serial
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
    """A console with both its ends, and the port that a shell will be connected to."""

    console: Console
    guest_console: socket.socket
    port: Path
    listener: socket.socket

    @property
    def watch(self) -> GuestWatch:
        return cast(GuestWatch, Clean(self.console))


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    with (
        listen(tmp_path / "console") as for_console,
        listen(tmp_path / "shell") as for_shell,
        Console(tmp_path / "console", tmp_path / "console.log") as console,
    ):
        guest_console, _ = for_console.accept()
        with guest_console:
            yield Ends(console, guest_console, tmp_path / "shell", for_shell)


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


@pytest.fixture
def shell(ends: Ends, tmp_path: Path) -> Iterator[SerialShell]:
    with open_serial(ends.port, ends.watch, scratch=str(tmp_path / "scratch")) as shell:
        port, _ = ends.listener.accept()
        tty = port.fileno()
        with subprocess.Popen(["sh"], stdin=tty, stdout=tty, stderr=tty) as process:
            port.close()
            yield shell
            process.kill()


def soon() -> Deadline:
    return Deadline.after(10)


def test_what_is_sent_holds_no_marker_that_its_echo_could_match(ends: Ends) -> None:
    with open_serial(ends.port, ends.watch) as shell:
        port, _ = ends.listener.accept()
        with port:
            with pytest.raises(KernelFailure, match="does not end"):
                shell.run("true", Deadline.after(0.2))
            sent = port.recv(65536)
    assert b"-end" in sent
    assert b"daxhound-" not in sent


def test_streams_and_status_come_back_apart(shell: SerialShell) -> None:
    record = shell.run("echo out; echo err >&2; exit 3", soon())
    assert (record.status, record.stdout, record.stderr) == (3, "out\n", "err\n")
    assert record.command == "echo out; echo err >&2; exit 3"


def test_signal_is_128_and_its_number(shell: SerialShell) -> None:
    assert shell.run("sh -c 'kill -BUS $$'", soon()).status == 128 + 7
    assert shell.run("kill -KILL $$", soon()).status == 128 + 9


def test_output_that_looks_like_markers_or_is_no_text_is_only_output(shell: SerialShell) -> None:
    record = shell.run(r"printf 'daxhound-0-end\n\377\000.\n'", soon())
    assert record.stdout == "daxhound-0-end\n\\xff\x00.\n"


def test_command_over_many_lines_with_a_here_document(shell: SerialShell) -> None:
    record = shell.run("cat <<'.'\nfirst\n.\necho second # comment", soon())
    assert record.stdout == "first\nsecond\n"


def test_without_input_a_command_reads_nothing(shell: SerialShell) -> None:
    assert shell.run("cat; echo done", soon()).stdout == "done\n"


def test_long_output_is_cut_and_says_so(shell: SerialShell) -> None:
    record = shell.run("head -c 262168 /dev/zero | tr '\\0' x", soon())
    assert record.stdout == "x" * (256 << 10) + "\n[daxhound: 24 more bytes were dropped]\n"


def test_command_that_does_not_end_meets_the_deadline(shell: SerialShell) -> None:
    with pytest.raises(KernelFailure, match=r"sleep 20.*does not end"):
        shell.run("exec sleep 20", Deadline.after(0.2))


def test_report_on_the_console_is_raised_while_a_command_runs(
    shell: SerialShell, ends: Ends
) -> None:
    ends.guest_console.sendall(b"[    1.5] Kernel panic - not syncing: test\n")
    ends.guest_console.sendall(b"[    1.6] ---[ end Kernel panic - not syncing: test ]---\n")
    with pytest.raises(KernelReported):
        shell.run("sleep 20", Deadline.after(30))
