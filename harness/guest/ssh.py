"""A guest's shell over ssh, by the port that QEMU forwards on the loopback device.

Keys are made for one guest: its own for root's login, and one for the guest's dropbear to
show, made on the host so that it is known beforehand. Agents, known_hosts and the user's
own keys play no part.
"""

from __future__ import annotations

import contextlib
import io
import logging
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
from harness.guest.turns import TurnShell
from harness.guest.watch import GuestWatch

# Its failures are raised as ours; its thread would log them with a traceback as well.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

# The cheapest that dropbear has: every round of a key exchange is emulated code.
_KEX = ("curve25519-sha256@libssh.org",)
_CIPHERS = ("aes128-ctr",)
_DIGESTS = ("hmac-sha2-256",)
_RETRY_SECONDS = 0.05
_CHUNK_BYTES = 32768


class SshLine:
    """A session's channel."""

    name = "ssh"

    def __init__(self, session: paramiko.Channel) -> None:
        self.session = session

    def descriptors(self) -> tuple[int, ...]:
        return (self.session.fileno(),)

    def send(self, data: memoryview) -> int:
        try:
            return self.session.send(bytes(data)) if self.session.send_ready() else 0
        except paramiko.SSHException as exc:
            raise OSError(str(exc)) from exc

    def receive(self) -> tuple[bytes, bytes]:
        session = self.session
        over = session.closed or session.eof_received
        stdout = session.recv(_CHUNK_BYTES) if session.recv_ready() else b""
        stderr = session.recv_stderr(_CHUNK_BYTES) if session.recv_stderr_ready() else b""
        if over and not stdout and not stderr:
            raise EOFError("the guest's shell has ended")
        return stdout, stderr


@contextlib.contextmanager
def open_ssh(
    watch: GuestWatch, port: int, keys: GuestKeys, deadline: Deadline
) -> Iterator[TurnShell]:
    """Root's shell on the guest behind a loopback port, hung up afterwards.

    Tries again while dropbear is not up yet, to the deadline; raises what explains a failure.
    """
    session = _connect(watch, port, keys, deadline)
    try:
        yield TurnShell(SshLine(session), watch)
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
        # With no terminal, and the login shell itself: "exec sh" would start it twice.
        session.invoke_shell()
    except BaseException:
        transport.close()
        raise
    return session


def _paramiko_key(key: Ed25519PrivateKey) -> paramiko.Ed25519Key:
    """paramiko takes a key only in the form of OpenSSH's file."""
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text))
