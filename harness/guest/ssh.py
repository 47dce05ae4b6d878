"""A guest's shell over ssh, by the port that QEMU forwards on the loopback device.

Keys are made for one guest: its own for root's login, and one for the guest's dropbear to
show, made on the host so that it is known beforehand. Agents, known_hosts and the user's
own keys play no part.
"""

from __future__ import annotations

import contextlib
import io
import logging
import secrets
import select
import shlex
import socket
import time
from collections.abc import Iterator

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from harness.deadline import Deadline
from harness.errors import InfrastructureError
from harness.guest.attend import attend
from harness.guest.keys import KEY_TYPE, GuestKeys
from harness.guest.output import MarkedStream, brief, command_record
from harness.guest.watch import GuestWatch
from harness.records import CommandRecord

# Its failures are raised as ours; its thread would log them with a traceback as well.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

# The cheapest that dropbear has: every round of a key exchange is emulated code.
_KEX = ("curve25519-sha256@libssh.org",)
_CIPHERS = ("aes128-ctr",)
_DIGESTS = ("hmac-sha2-256",)
_RETRY_SECONDS = 0.05
_SLICE_SECONDS = 0.5
_SENDING_SLICE_SECONDS = 0.01  # a window that opens again does not wake a poll
_CHUNK_BYTES = 32768


# In a shell of its own, which a script may leave, and with nothing to read. A command that
# dies of signal n has status 128+n.
_TURN = """\
(eval {command}) </dev/null
printf '\\n{mark} %d\\n' $?
printf '\\n{mark} 0\\n' >&2
"""


class SshShell:
    """Root's shell at the other end of one ssh connection, a command at a time.

    One shell reads all commands: a session for each would cost twice the time of most.
    """

    def __init__(self, session: paramiko.Channel, watch: GuestWatch) -> None:
        self._session = session
        self._watch = watch

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        """Run a command by the guest's sh; the console is read and judged all the while.

        Keeps 16 MiB of each output stream, and says in it what was dropped. Raises
        KernelReported as soon as the console carries a report, KernelFailure where the
        deadline passes, InfrastructureError where the connection is lost and nothing
        else explains it.
        """
        started = time.monotonic()
        mark = secrets.token_hex(8)
        output = MarkedStream(mark), MarkedStream(mark)
        turn = _TURN.format(command=shlex.quote(command), mark=mark)
        try:
            self._converse(turn.encode(), output, command, deadline)
        except (paramiko.SSHException, EOFError, OSError) as exc:
            raise self._watch.explain_lost(f"ssh lost in {brief(command)}: {exc!r}") from exc
        self._watch.check()
        stdout, stderr = output
        assert stdout.status is not None  # of a stream that has ended
        both = stdout.content, stderr.content
        return command_record(command, stdout.status, both, time.monotonic() - started)

    def _converse(
        self,
        turn: bytes,
        output: tuple[MarkedStream, MarkedStream],
        command: str,
        deadline: Deadline,
    ) -> None:
        """Say one turn, and hear the answer to its end on both streams."""
        pending = memoryview(turn)
        poll = select.poll()
        poll.register(self._session.fileno(), select.POLLIN)
        poll.register(self._watch.console.fileno(), select.POLLIN)
        while True:
            while pending and self._session.send_ready():
                pending = pending[self._session.send(bytes(pending[:_CHUNK_BYTES])) :]
            self._receive(*output)
            if all(stream.status is not None for stream in output):
                return
            if deadline.expired:
                raise self._watch.explain_silence(f"{brief(command)} does not end")
            slice_seconds = _SENDING_SLICE_SECONDS if pending else _SLICE_SECONDS
            poll.poll(min(slice_seconds, deadline.remaining) * 1000)
            self._watch.check()

    def _receive(self, stdout: MarkedStream, stderr: MarkedStream) -> None:
        """Take what has come. Raises EOFError where no more will."""
        session = self._session
        over = session.closed or session.eof_received
        while session.recv_ready():
            stdout.add(session.recv(_CHUNK_BYTES))
        while session.recv_stderr_ready():
            stderr.add(session.recv_stderr(_CHUNK_BYTES))
        if over and None in (stdout.status, stderr.status):
            raise EOFError("the guest's shell has ended")


@contextlib.contextmanager
def open_ssh(
    watch: GuestWatch, port: int, keys: GuestKeys, deadline: Deadline
) -> Iterator[SshShell]:
    """Root's shell on the guest behind a loopback port, hung up afterwards.

    Tries again while dropbear is not up yet, to the deadline; raises what explains a failure.
    """
    session = _connect(watch, port, keys, deadline)
    try:
        yield SshShell(session, watch)
    finally:
        session.get_transport().close()


def _connect(watch: GuestWatch, port: int, keys: GuestKeys, deadline: Deadline) -> paramiko.Channel:
    while True:
        try:
            return attend(watch, lambda: _log_in(port, keys, deadline), "ssh", deadline)
        except (paramiko.SSHException, EOFError, OSError) as exc:
            watch.check()
            if deadline.expired or isinstance(exc, paramiko.AuthenticationException):
                raise watch.explain_lost(f"no ssh login: {exc!r}") from exc
        time.sleep(_RETRY_SECONDS)


def _log_in(port: int, keys: GuestKeys, deadline: Deadline) -> paramiko.Channel:
    """A shell that reads commands."""
    seconds = max(0.1, deadline.remaining)
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    # Each of ssh's small messages at once: held back, one costs what the other end's delayed
    # acknowledgement does, some 40 ms.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(connection)
    try:
        transport.banner_timeout = transport.handshake_timeout = seconds
        transport.auth_timeout = seconds
        options = transport.get_security_options()
        options.kex, options.ciphers, options.digests = _KEX, _CIPHERS, _DIGESTS
        options.key_types = (KEY_TYPE,)
        transport.start_client(timeout=seconds)
        if transport.get_remote_server_key().asbytes() != keys.host_public:
            raise InfrastructureError(f"port {port} is answered by another host's ssh")
        transport.auth_publickey("root", _paramiko_key(keys.client))
        session = transport.open_session(timeout=seconds)
        session.exec_command("exec sh")
    except BaseException:
        transport.close()
        raise
    return session


def _paramiko_key(key: Ed25519PrivateKey) -> paramiko.Ed25519Key:
    """paramiko takes a key only in the form of OpenSSH's file."""
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text))
