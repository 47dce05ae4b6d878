"""Entries of the store on their way to a worker's: in pieces, checked, and never twice.

What arrives is kept until its file is complete: a transfer that was cut goes on where it
stopped. The digests are those of the sender's seals.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.campaign.provide import Provisions
from harness.errors import InfrastructureError
from harness.store import Store

PIECE_BYTES: Final = 4 << 20
_ARRIVING = ".arriving"
_KEPT_SECONDS: Final = 7 * 86400


@dataclass(frozen=True, slots=True)
class ParcelFile:
    """One file of an entry."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One entry of the store, described."""

    kind: str
    key: str
    files: tuple[ParcelFile, ...]


# Asks the sender for a piece: kind, key and name of the file, and where in it.
Ask = Callable[[str, str, str, int], bytes]


def describe(store: Store, provisions: Provisions) -> tuple[Parcel, ...]:
    """The entries that a guest boots from.

    Raises InfrastructureError for one that is not whole.
    """
    return tuple(_describe(store, path.parent) for path in provisions.files)


def _describe(store: Store, entry: Path) -> Parcel:
    kind, key = entry.parent.name, entry.name
    sealed = store.sealed(kind, key)
    return Parcel(
        kind,
        key,
        tuple(ParcelFile(n, (entry / n).stat().st_size, d) for n, d in sorted(sealed.items())),
    )


def read_piece(store: Store, kind: str, key: str, name: str, offset: int) -> bytes:
    """A piece of one file. Raises OSError."""
    with (store.root / kind / key / name).open("rb") as file:
        file.seek(offset)
        return file.read(PIECE_BYTES)


def take_in(store: Store, parcels: Sequence[Parcel], ask: Ask) -> None:
    """Have the entries in this store. Raises InfrastructureError for one that does not come."""
    for parcel in parcels:
        _take_in(store, parcel, ask)


def _take_in(store: Store, parcel: Parcel, ask: Ask) -> None:
    arriving = store.root / _ARRIVING

    def build(into: Path) -> None:
        arriving.mkdir(exist_ok=True)
        _sweep(arriving)
        # All of them before the first is moved: what is in ``into`` is lost when one fails.
        arrived = [_whole(arriving, parcel, file, ask) for file in parcel.files]
        for file, path in zip(parcel.files, arrived, strict=True):
            shutil.move(path, into / file.name)

    store.provide(parcel.kind, parcel.key, build)


def _sweep(arriving: Path) -> None:
    """Remove what nobody went on with."""
    for path in arriving.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink()


def _whole(arriving: Path, parcel: Parcel, file: ParcelFile, ask: Ask) -> Path:
    """The file, complete and what it was; one more try for what arrives damaged."""
    path = arriving / f"{parcel.kind}-{parcel.key}-{file.name}-{file.sha256[:16]}"
    for _ in range(2):
        _complete(path, parcel, file, ask)
        with path.open("rb") as arrived:
            if hashlib.file_digest(arrived, "sha256").hexdigest() == file.sha256:
                return path
        path.unlink()
    where = f"{parcel.kind}/{parcel.key}/{file.name}"
    raise InfrastructureError(f"{where} does not arrive as it was sent")


def _complete(path: Path, parcel: Parcel, file: ParcelFile, ask: Ask) -> None:
    with path.open("ab") as arrived:
        while (size := arrived.tell()) < file.size_bytes:
            piece = ask(parcel.kind, parcel.key, file.name, size)
            if not piece:
                where = f"{parcel.kind}/{parcel.key}/{file.name}"
                raise InfrastructureError(f"{where} ends after {size} bytes of {file.size_bytes}")
            arrived.write(piece)


def unrooted(provisions: Provisions, root: Path) -> Provisions:
    """The same with paths in the store, for another machine; the source stays behind."""
    return _with_paths(provisions, lambda path: path.relative_to(root))


def rooted(provisions: Provisions, root: Path) -> Provisions:
    """What :func:`unrooted` made, in the store at ``root``."""
    return _with_paths(provisions, lambda path: root / path)


def _with_paths(provisions: Provisions, move: Callable[[Path], Path]) -> Provisions:
    kernel = provisions.kernel
    return Provisions(
        kernel=replace(
            kernel,
            image=move(kernel.image),
            vmlinux=move(kernel.vmlinux),
            system_map=move(kernel.system_map),
            config=move(kernel.config),
            modules_builtin=move(kernel.modules_builtin),
            source=Path(),
        ),
        base=move(provisions.base),
        overlay=move(provisions.overlay),
        programs=tuple(move(program) for program in provisions.programs),
        firmware=move(provisions.firmware) if provisions.firmware else None,
    )
