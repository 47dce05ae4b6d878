"""Entries of the store in one file, for another machine's store."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

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


def pack(store: Store, path: Path) -> int:
    """Write what this process was given of the store; how many entries went in.

    Raises UserError where the file cannot be written.
    """
    entries = [entry for entry in store.given() if entry.parent.name in TRAVELS]
    try:
        with tarfile.open(path, "w") as archive:
            for entry in entries:
                archive.add(entry, entry.relative_to(store.root))
    except OSError as exc:
        raise UserError(f"cannot be written: {exc.strerror}", path=path) from exc
    return len(entries)


def unpack(store: Store, path: Path) -> int:
    """Take in the entries that are not there yet; how many the file has.

    Raises UserError for a file that no :func:`pack` wrote.
    """
    try:
        with tarfile.open(path) as archive:
            return _take(store, archive, path)
    except (OSError, tarfile.TarError) as exc:
        raise UserError(f"cannot be read: {exc}", path=path) from exc


def _take(store: Store, archive: tarfile.TarFile, path: Path) -> int:
    entries: dict[tuple[str, str], list[tarfile.TarInfo]] = {}
    for member in archive:
        kind, key, *below = (*Path(member.name).parts, "")
        if kind not in TRAVELS or not key:
            raise UserError(f"{member.name!r} is no part of a packed store", path=path)
        member.name = "/".join(below[:-1]) or "."
        entries.setdefault((kind, key), []).append(member)
    for (kind, key), members in entries.items():
        store.provide(kind, key, partial(_extract, archive, members))
    return len(entries)


def _extract(archive: tarfile.TarFile, members: Iterable[tarfile.TarInfo], into: Path) -> None:
    archive.extractall(into, members, filter="data")
