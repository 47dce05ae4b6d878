"""What one run adds to the images that all runs share, and how an initrd is put together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.image import cpio

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HOST_KEY = "etc/dropbear/dropbear_ed25519_host_key"
AUTHORIZED_KEYS = "root/.ssh/authorized_keys"


def run_archive(authorized_key: str, host_key: bytes) -> bytes:
    """The files of one run, as an uncompressed archive.

    ``authorized_key`` is a line of authorized_keys, ``host_key`` the guest's own key as
    ``dropbear_host_key`` writes it.
    """
    entries = (
        cpio.directory("root", 0o700),
        cpio.directory("root/.ssh", 0o700),
        cpio.file(AUTHORIZED_KEYS, authorized_key.strip().encode() + b"\n", 0o600),
        cpio.file(HOST_KEY, host_key, 0o600),
    )
    return cpio.write_archive(cpio.with_parents(entries))


def dropbear_host_key(key: Ed25519PrivateKey) -> bytes:
    """A host key in dropbear's own file format, which is not OpenSSH's.

    Two strings with 32-bit lengths: the type, and seed and public half in one
    (dropbear, ``buf_put_ed25519_priv_key``).
    """
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", both))


def compose_initrd(into: Path, parts: Iterable[Path | bytes]) -> Path:
    """Write one initrd of several archives: files, or bytes of ``run_archive``.

    The kernel unpacks them in this order, each over what came before; each ends on a
    multiple of 4 bytes, which the next one needs (``write_archive``). Raises OSError.
    """
    with into.open("wb") as whole:
        for part in parts:
            whole.write(part if isinstance(part, bytes) else part.read_bytes())
    return into
