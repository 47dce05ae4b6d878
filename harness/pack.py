"""Entries of the store in one file, for another machine's store.

A tar archive whose last member is the SHA-256 of all before it: one that was cut within a header
looks to tarfile like a shorter one, and damage in an entry would be sealed with it.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from harness.errors import UserError
from harness.store import Store

# Sources are fetched faster than they travel.
TRAVELS = (
    "kernel",
    "guest-daxprobe",
    "guest-image",
    "guest-libraries",
    "guest-ndctl-suite",
    "guest-overlay",
    "guest-packages",
    "guest-rdmaprobe",
    "guest-sysroot",
)


# What tarfile and its decompressors raise; KeyError is of a hard link to nothing.
_UNREADABLE: Final = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
)
_SEAL: Final = "sha256"
_BLOCK_BYTES: Final = 1 << 20
_WHOLE: Final = "the file as daxhound build --pack wrote it, copied once more"


def pack(store: Store, path: Path) -> int:
    """Write what this process was given of the store; how many entries went in.

    Raises UserError where the file cannot be written.
    """
    entries = [entry for entry in store.given() if entry.parent.name in TRAVELS]
    try:
        with path.open("w+b") as file, tarfile.open(fileobj=file, mode="w") as archive:
            for entry in entries:
                archive.add(entry, entry.relative_to(store.root))
            seal, member = _digest(file, archive.offset), tarfile.TarInfo(_SEAL)
            member.size = len(seal)
            archive.addfile(member, io.BytesIO(seal))
    except OSError as exc:
        raise UserError(f"cannot be written: {exc.strerror or exc}", path=path) from exc
    return len(entries)


def unpack(store: Store, path: Path) -> int:
    """Take in the entries that are not there yet; how many the file has.

    Raises UserError for a file that no :func:`pack` wrote, and for one that is not whole.
    """
    try:
        with tarfile.open(path) as archive:
            return _take(store, archive, path)
    except _UNREADABLE as exc:
        raise UserError(f"cannot be read: {exc}", path=path, hint=_WHOLE) from exc


def _take(store: Store, archive: tarfile.TarFile, path: Path) -> int:
    entries: dict[tuple[str, str], list[tarfile.TarInfo]] = {}
    members = archive.getmembers()
    sealed = members[-1:] if members and members[-1].name == _SEAL else []
    for member in members[: len(members) - len(sealed)]:
        kind, key, *below = (*Path(member.name).parts, "")
        if kind not in TRAVELS or not key:
            raise UserError(f"{member.name!r} is no part of a packed store", path=path)
        member.name = "/".join(below[:-1]) or "."
        if member.islnk():
            member.linkname = member.linkname.removeprefix(f"{kind}/{key}/")
        entries.setdefault((kind, key), []).append(member)
    if not _is_whole(archive, sealed):
        raise UserError("is damaged, or not all of it is there", path=path, hint=_WHOLE)
    for (kind, key), found in entries.items():
        store.provide(kind, key, partial(_extract, archive, found))
    return len(entries)


def _is_whole(archive: tarfile.TarFile, sealed: Sequence[tarfile.TarInfo]) -> bool:
    """Whether the archive ends with its seal, and is up to there what was written."""
    seal = archive.extractfile(sealed[0]) if sealed else None
    if seal is None or archive.fileobj is None:
        return False
    noted = seal.read(_BLOCK_BYTES)
    return noted == _digest(archive.fileobj, sealed[0].offset)


class _Bytes(Protocol):
    """A file, or what tarfile unpacks of one."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, position: int, /) -> object: ...


def _digest(file: _Bytes, size: int) -> bytes:
    """SHA-256 in hex of a file's first bytes; it is then behind them."""
    whole = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(size, _BLOCK_BYTES))):
        whole.update(block)
        size -= len(block)
    return whole.hexdigest().encode()


def _extract(archive: tarfile.TarFile, members: Iterable[tarfile.TarInfo], into: Path) -> None:
    archive.extractall(into, members, filter="data")
