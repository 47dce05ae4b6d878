"""A kernel's files in one small file: what those of its base have not, compressed.

A file is told by the base's of that name, an image by the vmlinux that it was made of, and what
neither helps with is compressed as it is. What comes out again is what went in, by digest.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import hdiffpatch

_VMLINUX = "vmlinux"
_NUMBER_BYTES = 8
_PRESET = 6

By = Literal["itself", "base", "vmlinux"]


@dataclass(frozen=True, slots=True)
class _Told:
    """A file, what it is told by, and how many bytes that takes before it is compressed."""

    name: str
    mode: int
    sha256: str
    by: By
    size: int


def fold_files(entry: Path, base: Path, image: str) -> bytes:
    """All files of a kernel's entry, of which ``image`` is what is booted. Raises OSError."""
    vmlinux = (entry / _VMLINUX).read_bytes()
    told, folded = [], []
    for path in sorted(path for path in entry.rglob("*") if path.is_file()):
        name, content = str(path.relative_to(entry)), path.read_bytes()
        old = (base / name).read_bytes() if (base / name).is_file() else None
        is_image = name == image != _VMLINUX
        by, data = _fold(content, old, vmlinux, is_image=is_image)
        told.append(_Told(name, path.stat().st_mode & 0o777, _digest(content), by, len(data)))
        folded.append(data)
    header = json.dumps([asdict(one) for one in told]).encode()
    size = len(header).to_bytes(_NUMBER_BYTES, "big")
    return lzma.compress(b"".join((size, header, *folded)), preset=_PRESET)


def unfold_files(data: bytes, base: Path, into: Path) -> None:
    """All files again, in an empty folder.

    Raises ValueError where they do not come out as they went in, and OSError.
    """
    # An image is told by the vmlinux.
    for told, folded in sorted(_read(data), key=lambda one: one[0].name != _VMLINUX):
        content = _unfold(told, folded, base, into)
        if _digest(content) != told.sha256:
            raise ValueError(f"{told.name} does not come out as it went in")
        path = into / told.name
        if not path.resolve().is_relative_to(into.resolve()):
            raise ValueError(f"{told.name} leads out of the kernel's folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(told.mode)


def _fold(content: bytes, old: bytes | None, vmlinux: bytes, *, is_image: bool) -> tuple[By, bytes]:
    if is_image:
        return "vmlinux", _difference(vmlinux, content)
    return ("itself", content) if old is None else ("base", _difference(old, content))


def _unfold(told: _Told, folded: bytes, base: Path, into: Path) -> bytes:
    match told.by:
        case "itself":
            return folded
        case "base":
            return _apply((base / told.name).read_bytes(), folded)
        case "vmlinux":
            return _apply((into / _VMLINUX).read_bytes(), folded)


def _difference(old: bytes, new: bytes) -> bytes:
    """Not compressed: all of them are at once. What comes out again is held to its digest then."""
    return hdiffpatch.diff(old, new, compression="none", validate=False)


def _apply(old: bytes, difference: bytes) -> bytes:
    """Raises ValueError where one was not made of the other."""
    try:
        return hdiffpatch.apply(old, difference)
    except hdiffpatch.HDiffPatchError as exc:
        raise ValueError(str(exc)) from exc


def _read(data: bytes) -> Iterator[tuple[_Told, bytes]]:
    """Raises ValueError."""
    try:
        whole = lzma.decompress(data)
        start = _NUMBER_BYTES + int.from_bytes(whole[:_NUMBER_BYTES], "big")
        records: list[dict[str, Any]] = json.loads(whole[_NUMBER_BYTES:start])
        told = [_Told(**record) for record in records]
    except (lzma.LZMAError, TypeError) as exc:
        raise ValueError(str(exc)) from exc
    for one in told:
        yield one, whole[start : start + one.size]
        start += one.size


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
