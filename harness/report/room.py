"""Room on a disk, held by a file without a name: gone when its holder is, however it went."""

from __future__ import annotations

import os
from pathlib import Path

# What there is room for: a thousand cells, or a few on a disk that is nearly full already.
_BYTES = (1 << 20, 64 << 10, 16 << 10)


class Room:
    """Some room on the disk of a folder, for what must be written when it is full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Take as much as there is; none where the file system cannot do it."""
        if self._descriptor is not None:
            return
        try:
            self._descriptor = os.open(self._folder, os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError:
            return
        for size in _BYTES:
            try:
                os.posix_fallocate(self._descriptor, 0, size)
            except OSError:
                os.ftruncate(self._descriptor, 0)
            else:
                return
        self.release()

    def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
