"""A root file system that somebody gives in place of Debian's packages."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from pathlib import Path

from harness.errors import UserError
from harness.image import cpio
from harness.image.packages import Tree, read_tar

# Every guest's programs are links to it.
_BUSYBOX = "usr/bin/busybox"

# e_machine of elf(5) by Debian's names.
_MACHINES = {
    "amd64": "EM_X86_64",
    "arm64": "EM_AARCH64",
    "ppc64el": "EM_PPC64",
    "riscv64": "EM_RISCV",
    "s390x": "EM_S390",
}

# What tarfile and its decompressors raise. OSError is of gzip and bzip2: the file was read before.
_DAMAGE = (tarfile.TarError, EOFError, ValueError, OSError, zlib.error, lzma.LZMAError)


def read_bytes(path: Path) -> bytes:
    """The archive as it is. Raises UserError."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UserError(f"cannot be read: {exc}", path=path) from exc


def read_root(path: Path, architecture: str) -> Tree:
    """Files and links of a tar archive, packed by gzip, bzip2 or xz or not at all.

    Raises UserError for a file that is none, and for programs that the guest's CPU, which has
    Debian's name of its ``architecture``, cannot run.
    """
    try:
        tree: dict[str, cpio.Entry] = {entry.path: entry for entry in read_tar(read_bytes(path))}
    except _DAMAGE as exc:
        raise UserError(f"is no tar archive of a root file system: {exc}", path=path) from exc
    busybox = tree.get(_BUSYBOX)
    if busybox is None:
        raise UserError(f"{_BUSYBOX} is not in it, which the guest's init is run by", path=path)
    machine = _machine(busybox.data)
    if machine != _MACHINES[architecture]:
        wanted = _MACHINES[architecture]
        raise UserError(f"{_BUSYBOX} is for {machine}, the guest is {wanted}", path=path)
    return tree


def _machine(program: bytes) -> str:
    """Imports as ``packages.loads`` does."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        return str(ELFFile(io.BytesIO(program))["e_machine"])
    except ELFError:
        return "no machine"
