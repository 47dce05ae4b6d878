"""A guest's shell over its virtio-serial ports, which need neither a network nor ssh.

The guest's init puts a shell at the other end of two ports (``harness/image/init.c``): one is
read as a script and takes the output, the other takes the errors. They are no terminals, so
that no byte is taken for anything but itself.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import InfrastructureError
from harness.guest.turns import TurnShell
from harness.guest.watch import GuestWatch

_READ_BYTES = 65536
# What init says on both ports before it starts another shell.
_ENDED = b"\ndaxhound: the shell has ended\n"


class SerialLine:
    """The host's ends of the two ports, connected before the guest runs."""

    name = "the serial line"

    def __init__(self, commands: Path, errors: Path) -> None:
        """Raises InfrastructureError where QEMU does not listen there."""
        self._ports: list[socket.socket] = []
        self._last = [b"", b""]
        try:
            self._ports += [_connect(commands), _connect(errors)]
        except OSError as exc:
            self.close()
            raise InfrastructureError(f"no connection to the guest's shell: {exc}") from exc

    def descriptors(self) -> tuple[int, ...]:
        return tuple(port.fileno() for port in self._ports)

    def send(self, data: memoryview) -> int:
        try:
            return self._ports[0].send(data)
        except BlockingIOError:
            return 0

    def receive(self) -> tuple[bytes, bytes]:
        stdout, stderr = (_what_came(port) for port in self._ports)
        if self._has_ended((stdout, stderr)):
            raise EOFError("the guest's shell has ended")
        return stdout, stderr

    def _has_ended(self, said: tuple[bytes, bytes]) -> bool:
        """Whether the last that both ports brought is what init says; a piece may be a byte."""
        for index, data in enumerate(said):
            self._last[index] = (self._last[index] + data)[-len(_ENDED) :]
        return any(said) and self._last == [_ENDED, _ENDED]

    def close(self) -> None:
        for port in self._ports:
            port.close()


@contextlib.contextmanager
def open_serial(line: SerialLine, watch: GuestWatch, deadline: Deadline) -> Iterator[TurnShell]:
    """The shell behind the ports, once it has answered, hung up afterwards.

    Raises as ``TurnShell.run`` does.
    """
    with contextlib.closing(line):
        shell = TurnShell(line, watch)
        shell.run(":", deadline)
        yield shell


def _connect(path: Path) -> socket.socket:
    port = socket.socket(socket.AF_UNIX)
    try:
        port.connect(str(path))
    except OSError:
        port.close()
        raise
    port.setblocking(False)
    return port


def _what_came(port: socket.socket) -> bytes:
    """A piece of bounded size: whoever floods it is not read for ever.

    Raises EOFError where QEMU has closed its end.
    """
    try:
        data = port.recv(_READ_BYTES)
    except BlockingIOError:
        return b""
    if not data:
        raise EOFError("closed")
    return data
