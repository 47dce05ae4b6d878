"""A guest's shell over its second serial port, for guests without a network.

The guest's sh reads the port as a script (see the image's init). Commands go in as
base64, output comes back so: no byte of either can be taken for the protocol, and no
terminal changes one. Markers are put together by the guest, so that an echo of what was
sent cannot match them.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import secrets
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import DaxhoundError, InfrastructureError
from harness.guest.output import Bounded, brief, command_record
from harness.guest.watch import GuestWatch
from harness.records import CommandRecord

_READ_BYTES = 65536
_LINE_BYTES = 3000  # 4000 in base64: what a line discipline takes in one line at most
_SLICE_SECONDS = 0.5
_FILES = "/run/daxhound"
# The guest's hvc driver hands over 16 bytes at a time: some 30 to 100 KB/s, emulated.
_OUTPUT_LIMIT_BYTES = 256 << 10
# Everything a received message holds: base64 of up to both limits, and the markers.
_MESSAGE_LIMIT_BYTES = 3 * _OUTPUT_LIMIT_BYTES

_SCRIPT = """\
sh {files}.command </dev/null >{files}.stdout 2>{files}.stderr
printf '\\n%s%s %d %d %d\\n' dax hound-{mark}-status $? \
$(wc -c <{files}.stdout) $(wc -c <{files}.stderr)
head -c {limit} {files}.stdout | base64
printf '\\n%s%s\\n' dax hound-{mark}-stderr
head -c {limit} {files}.stderr | base64
printf '\\n%s%s\\n' dax hound-{mark}-end
"""


class SerialShell:
    """One root shell at the other end of a unix socket, a command at a time.

    ``scratch`` is what the names of its files in the guest start with.
    """

    def __init__(self, socket_path: Path, watch: GuestWatch, scratch: str) -> None:
        self._watch = watch
        self._scratch = scratch
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(socket_path))
        except OSError as exc:
            self._socket.close()
            raise InfrastructureError(f"no connection to the guest's shell: {exc}") from exc
        self._socket.setblocking(False)

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        """As ``SshShell.run``: same errors, same record; keeps 256 KiB of each stream."""
        started = time.monotonic()
        mark = secrets.token_hex(8)
        end = f"daxhound-{mark}-end".encode()
        self._send(_script(command, mark, self._scratch), command, deadline)
        message = self._receive(end, command, deadline)
        self._watch.check()
        try:
            status, output = _read_message(message, mark)
        except (ValueError, binascii.Error) as exc:
            what = f"the serial shell garbled the answer to {command!r}"
            raise InfrastructureError(f"{what}: {message[:300]!r}") from exc
        return command_record(command, status, output, time.monotonic() - started)

    def close(self) -> None:
        self._socket.close()

    def _send(self, script: bytes, command: str, deadline: Deadline) -> None:
        pending = memoryview(script)
        while pending:
            self._wait(select.POLLOUT, command, deadline)
            try:
                pending = pending[self._socket.send(pending) :]
            except BlockingIOError:
                continue
            except OSError as exc:
                raise self._lost(command, exc) from exc

    def _receive(self, end: bytes, command: str, deadline: Deadline) -> bytes:
        message = bytearray()
        searched = 0
        while message.find(end, searched) < 0:
            searched = max(0, len(message) - len(end))
            self._wait(select.POLLIN, command, deadline)
            message += self._read(command)
            if len(message) > _MESSAGE_LIMIT_BYTES:
                raise InfrastructureError(f"{command!r} floods the serial shell")
        return bytes(message)

    def _read(self, command: str) -> bytes:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as exc:
            raise self._lost(command, exc) from exc
        if not data:
            raise self._lost(command, EOFError("closed"))
        return data

    def _wait(self, event: int, command: str, deadline: Deadline) -> None:
        """Wait for the port or the console, judge the console, and mind the deadline."""
        if deadline.expired:
            raise self._watch.explain_silence(f"{brief(command)} does not end")
        poll = select.poll()
        poll.register(self._socket, event)
        poll.register(self._watch.console.fileno(), select.POLLIN)
        poll.poll(min(_SLICE_SECONDS, deadline.remaining) * 1000)
        self._watch.console.check()

    def _lost(self, command: str, exc: Exception) -> DaxhoundError:
        return self._watch.explain_lost(f"serial shell lost in {command!r}: {exc!r}")


@contextlib.contextmanager
def open_serial(
    socket_path: Path, watch: GuestWatch, scratch: str = _FILES
) -> Iterator[SerialShell]:
    """The shell on a guest's second serial port, hung up afterwards."""
    shell = SerialShell(socket_path, watch, scratch)
    try:
        yield shell
    finally:
        shell.close()


def _script(command: str, mark: str, scratch: str) -> bytes:
    """What is typed: a file, then the run and its report."""
    run = _SCRIPT.format(files=scratch, mark=mark, limit=_OUTPUT_LIMIT_BYTES)
    return _file(f"{scratch}.command", f"{command}\n".encode()) + run.encode()


def _file(path: str, data: bytes) -> bytes:
    pieces = (data[start : start + _LINE_BYTES] for start in range(0, len(data), _LINE_BYTES))
    lines = b"".join(base64.b64encode(piece) + b"\n" for piece in pieces)
    # A dot ends it: no line of base64 is one.
    return f"base64 -d >{path} <<'.'\n".encode() + lines + b".\n"


def _read_message(message: bytes, mark: str) -> tuple[int, tuple[Bounded, Bounded]]:
    """Exit status, stdout and stderr. Raises ValueError where the message has none."""
    pattern = (
        rf"daxhound-{mark}-status (\d+) (\d+) (\d+)(.*)daxhound-{mark}-stderr(.*)"
        rf"daxhound-{mark}-end"
    )
    match = re.search(pattern.encode(), message, re.DOTALL)
    if match is None:
        raise ValueError("markers missing")
    return int(match[1]), (_stream(match[4], int(match[2])), _stream(match[5], int(match[3])))


def _stream(encoded: bytes, total_bytes: int) -> Bounded:
    data = base64.b64decode(b"".join(encoded.split()), validate=True)
    stream = Bounded()
    stream.add(data)
    stream.drop(total_bytes - len(data))
    return stream
