"""Directories that a run needs for a while: gone when it is done, also where it was killed.

Each is locked by its owner; one whose owner is dead, after a kill -9, is swept by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "daxhound-"
_LOCK = ".owner"


@contextlib.contextmanager
def scratch_directory(kind: str) -> Iterator[Path]:
    """A directory (0700) in the temporary directory; leftovers of dead runs go too."""
    parent = Path(tempfile.gettempdir())
    _sweep(parent)
    directory, lock = _make_locked(parent, kind)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _make_locked(parent: Path, kind: str) -> tuple[Path, int]:
    """A new directory, and the lock that says its owner lives."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-", dir=parent))
        lock = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return directory, lock
        os.close(lock)  # a sweep came between the two calls and took it for a leftover


def _sweep(parent: Path) -> None:
    """Remove directories of ours that no living process holds the lock of."""
    for lock_path in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            lock = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # another user's, or just gone
        try:
            if os.fstat(lock).st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock_path.parent, ignore_errors=True)
        except BlockingIOError:
            pass  # its owner lives
        finally:
            os.close(lock)
