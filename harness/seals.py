"""What the files of a store's entry were when it was made, so that damage is seen.

A seal holds the SHA-256 of each file at the top of an entry; it stands beside the entry,
not in it, since entries are copied and compared whole. Deeper files are their owner's to
check: a source tree has 80,000.

To read a kernel and an image at each start takes as long as to collect a thousand cells. So
what was read is noted with what the file system says of it (size, times, inode), and is read
again when that is another, or after a day: a disk that loses bits tells nobody.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from pathlib import Path

from harness.whole_file import write_whole

_TRUSTED_SECONDS = 24 * 3600.0
# A file may change twice within what its times tell apart, and on some file systems that is 2 s.
SETTLED_SECONDS = 3.0


def write_seal(entry: Path, seal: Path) -> None:
    """Note what an entry's files are; whole or not at all. Raises OSError."""
    write_whole(seal, json.dumps(_digests(entry)).encode())


def read_seal(seal: Path) -> dict[str, str]:
    """The SHA-256 of each file as it was noted. Raises OSError or ValueError."""
    noted = json.loads(seal.read_text(encoding="utf-8"))
    if not isinstance(noted, dict):
        raise ValueError(f"{seal} holds no digests")
    return noted


def damaged_file(entry: Path, seal: Path) -> str | None:
    """The first file that is not what it was, or None; an entry without a seal gets one.

    A file that cannot be read counts as damaged.
    """
    try:
        noted = read_seal(seal)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):  # a store that may only be read
            write_seal(entry, seal)
        return None
    looks: dict[str, list[int]] = {}
    for name in noted:
        try:
            looks[name] = _look(entry / name)
        except OSError:
            return name
    if looks == _known_looks(seal):
        return None
    damaged = _first_changed(entry, noted)
    if damaged is None:
        _note_looks(seal, looks)
    return damaged


def _first_changed(entry: Path, noted: dict[str, str]) -> str | None:
    for name, digest in noted.items():
        try:
            if _digest(entry / name) != digest:
                return name
        except OSError:
            return name
    return None


def remove_seal(seal: Path) -> None:
    """Forget what an entry was."""
    for path in (seal, _looks_path(seal)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _look(path: Path) -> list[int]:
    """What changes with a file's content, and cannot be set back: ctime is the kernel's."""
    stat = path.stat()
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _known_looks(seal: Path) -> object:
    """How the files looked when they were last read, or None where that is too long ago."""
    path = _looks_path(seal)
    try:
        if 0 <= time.time() - path.stat().st_mtime < _TRUSTED_SECONDS:
            return json.loads(path.read_bytes())
    except (OSError, ValueError):
        pass
    return None


def _note_looks(seal: Path, looks: dict[str, list[int]]) -> None:
    newest = max((times for *_, times in looks.values()), default=0)
    if time.time() - newest / 1e9 < SETTLED_SECONDS:
        return
    with contextlib.suppress(OSError):  # a store that may only be read
        write_whole(_looks_path(seal), json.dumps(looks).encode())


def _looks_path(seal: Path) -> Path:
    return seal.with_suffix(".looks")


def _digests(entry: Path) -> dict[str, str]:
    return {path.name: _digest(path) for path in sorted(entry.iterdir()) if path.is_file()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
