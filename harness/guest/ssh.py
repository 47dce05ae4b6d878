"""A guest's shell over ssh, by the port that QEMU forwards on the loopback device.

Keys are made for one guest: its own for root's login, and one for the guest's dropbear to
show, made on the host so that it is known beforehand. Agents, known_hosts and the user's
own keys play no part.
"""

from __future__ import annotations

import contextlib
import io
import logging
import select
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
from harness.guest.output import Bounded, brief, command_record
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
_NEVER_SECONDS = 86400.0  # the caller's deadline decides, beside the console
_SENDING_SLICE_SECONDS = 0.01  # a window that opens again does not wake a poll
_CHUNK_BYTES = 32768


class SshShell:
    """One ssh connection as root, a command at a time."""

    def __init__(self, transport: paramiko.Transport, watch: GuestWatch) -> None:
        self._transport = transport
        self._watch = watch

    def run(self, command: str, deadline: Deadline, stdin: bytes | None = None) -> CommandRecord:
        """Run a command by the guest's sh; the console is read and judged all the while.

        Keeps 16 MiB of each output stream, and says in it what was dropped. Raises
        KernelReported as soon as the console carries a report, KernelFailure where the
        deadline passes, InfrastructureError where the connection is lost and nothing
        else explains it.
        """
        started = time.monotonic()
        try:
            channel = attend(self._watch, lambda: self._execute(command), brief(command), deadline)
            with contextlib.closing(channel):
                output = self._collect(channel, command, deadline, stdin or b"")
                status = channel.recv_exit_status() if channel.exit_status_ready() else -1
        except (paramiko.SSHException, EOFError, OSError) as exc:
            raise self._watch.explain_lost(f"ssh lost in {brief(command)}: {exc!r}") from exc
        if status < 0:
            raise self._watch.explain_lost(f"no exit status over ssh for {brief(command)}")
        self._watch.check()
        return command_record(command, status, output, time.monotonic() - started)

    def _execute(self, command: str) -> paramiko.Channel:
        """Start a command; blocks for as long as the guest takes to say that it did."""
        channel = self._transport.open_session(timeout=_NEVER_SECONDS)
        # With more to come after it, the shell forks the command: the status of one that
        # dies of a signal is then 128+n, which ssh alone does not say.
        channel.exec_command(f"{command}\nexit $?")
        return channel

    def _collect(
        self, channel: paramiko.Channel, command: str, deadline: Deadline, stdin: bytes
    ) -> tuple[Bounded, Bounded]:
        stdout, stderr = Bounded(), Bounded()
        pending = memoryview(stdin)
        if not pending:
            channel.shutdown_write()
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        poll.register(self._watch.console.fileno(), select.POLLIN)
        while not (_finished(channel) and not pending):
            pending = _send(channel, pending)
            _receive(channel, stdout, stderr)
            if _finished(channel):
                break
            if deadline.expired:
                raise self._watch.explain_silence(f"{brief(command)} does not end")
            slice_seconds = _SENDING_SLICE_SECONDS if pending else _SLICE_SECONDS
            poll.poll(min(slice_seconds, deadline.remaining) * 1000)
            self._watch.check()
        _receive(channel, stdout, stderr)
        return stdout, stderr


@contextlib.contextmanager
def open_ssh(
    watch: GuestWatch, port: int, keys: GuestKeys, deadline: Deadline
) -> Iterator[SshShell]:
    """Root's shell on the guest behind a loopback port, hung up afterwards.

    Tries again while dropbear is not up yet, to the deadline; raises what explains a failure.
    """
    transport = _connect(watch, port, keys, deadline)
    try:
        yield SshShell(transport, watch)
    finally:
        transport.close()


def _connect(
    watch: GuestWatch, port: int, keys: GuestKeys, deadline: Deadline
) -> paramiko.Transport:
    while True:
        try:
            return attend(watch, lambda: _log_in(port, keys, deadline), "ssh", deadline)
        except (paramiko.SSHException, EOFError, OSError) as exc:
            watch.check()
            if deadline.expired or isinstance(exc, paramiko.AuthenticationException):
                raise watch.explain_lost(f"no ssh login: {exc!r}") from exc
        time.sleep(_RETRY_SECONDS)


def _log_in(port: int, keys: GuestKeys, deadline: Deadline) -> paramiko.Transport:
    seconds = max(0.1, deadline.remaining)
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
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
    except BaseException:
        transport.close()
        raise
    return transport


def _finished(channel: paramiko.Channel) -> bool:
    """Whether the command has ended and nothing of its output is still to come."""
    ended = channel.exit_status_ready() or channel.closed
    drained = not channel.recv_ready() and not channel.recv_stderr_ready()
    return bool(ended and drained and (channel.eof_received or channel.closed))


def _send(channel: paramiko.Channel, pending: memoryview) -> memoryview:
    """Send what the window takes; a command that no longer reads gets no more."""
    while pending and channel.send_ready():
        try:
            sent = channel.send(bytes(pending[:_CHUNK_BYTES]))
        except OSError:
            return pending[:0]
        pending = pending[sent:]
        if not pending:
            channel.shutdown_write()
    return pending


def _receive(channel: paramiko.Channel, stdout: Bounded, stderr: Bounded) -> None:
    while channel.recv_ready():
        stdout.add(channel.recv(_CHUNK_BYTES))
    while channel.recv_stderr_ready():
        stderr.add(channel.recv_stderr(_CHUNK_BYTES))


def _paramiko_key(key: Ed25519PrivateKey) -> paramiko.Ed25519Key:
    """paramiko takes a key only in the form of OpenSSH's file."""
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text))
