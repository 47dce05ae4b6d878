"""How QEMU's end by a signal is told, and the directory that it works in."""

from __future__ import annotations

import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.command_line import PORTS, GuestFiles
from harness.errors import InfrastructureError
from harness.machine.process import explain_signal, guest_directory


@pytest.mark.parametrize(
    ("number", "oom_kills", "told"),
    [
        (signal.SIGKILL, 0, "SIGKILL, sent from outside"),
        (signal.SIGKILL, 2, "SIGKILL; the host ran out of memory meanwhile and killed 2"),
        (signal.SIGBUS, 0, "SIGBUS: no room for the guest's files, 4 KiB are free"),
        (signal.SIGSEGV, 0, "SIGSEGV"),
        (250, 0, "signal 250"),
    ],
)
def test_a_signal_is_told_with_what_it_may_be_about(number: int, oom_kills: int, told: str) -> None:
    assert explain_signal(number, oom_kills=oom_kills, free_bytes=4096) == told


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path, which pytest's own have not."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_a_directory_for_a_guest_has_room_for_each_of_its_sockets(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told before QEMU is started, and where a socket is one byte too long as well."""
    used = 0
    for length in range(40, 75):
        parent = short / ("x" * (length - len(f"{short}/")))
        parent.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(parent))
        with suppress(InfrastructureError), guest_directory() as directory:
            files = GuestFiles(parent, parent, directory)
            ports = (files.port_socket(port) for port in PORTS)
            for path in (files.console_socket, files.qmp_socket, *ports):
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(str(path))
            used += 1
    assert 0 < used < 35


def test_where_no_directory_can_be_made_the_host_is_to_blame(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary file system that is full, or was taken away."""
    monkeypatch.setattr(tempfile, "tempdir", str(short / "gone"))
    with pytest.raises(InfrastructureError, match="no directory"), guest_directory():
        pass
