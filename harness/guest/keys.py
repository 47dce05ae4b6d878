"""The keys of one guest, its own and root's: made on the host, so known beforehand."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness.image.initrd import dropbear_host_key

KEY_TYPE = "ssh-ed25519"


@dataclass(frozen=True, slots=True)
class GuestKeys:
    """What one guest and its harness know of each other.

    ``authorized_key`` (a line) and ``host_key`` (dropbear's file) are what the guest gets,
    ``client`` and ``host_public`` (ssh's wire format) the harness's side of them.
    """

    authorized_key: str
    host_key: bytes
    client: Ed25519PrivateKey
    host_public: bytes

    @classmethod
    def generate(cls) -> GuestKeys:
        login, host = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        return cls(
            authorized_key=f"{_public_line(login)} daxhound",
            host_key=dropbear_host_key(host),
            client=login,
            host_public=base64.b64decode(_public_line(host).split()[1]),
        )


def _public_line(key: Ed25519PrivateKey) -> str:
    """The public half as authorized_keys has it: type and base64 of the wire format."""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
