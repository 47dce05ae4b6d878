"""What the files of a store's entry were when it was made, so that damage is seen.

A seal holds the SHA-256 of each file at the top of an entry; it stands beside the entry,
not in it, since entries are copied and compared whole. Deeper files are their owner's to
check: a source tree has 80,000.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from harness.whole_file import write_whole


def write_seal(entry: Path, seal: Path) -> None:
    """Note what an entry's files are; whole or not at all. Raises OSError."""
    write_whole(seal, json.dumps(_digests(entry)).encode())


def read_seal(seal: Path) -> dict[str, str]:
    """The SHA-256 of each file as it was noted. Raises OSError or ValueError."""
    return dict(json.loads(seal.read_text(encoding="utf-8")))


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
    for name, digest in noted.items():
        try:
            if _digest(entry / name) != digest:
                return str(name)
        except OSError:
            return str(name)
    return None


def remove_seal(seal: Path) -> None:
    """Forget what an entry was."""
    with contextlib.suppress(FileNotFoundError):
        seal.unlink()


def _digests(entry: Path) -> dict[str, str]:
    return {path.name: _digest(path) for path in sorted(entry.iterdir()) if path.is_file()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
