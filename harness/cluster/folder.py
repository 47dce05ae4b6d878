"""A cell's folder on its way back to the run that it belongs to."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from harness.cluster.cells import RESULT_FILE


def pack_folder(folder: Path) -> bytes:
    """A cell's files, all but its result, as a compressed tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            if path.name != RESULT_FILE:
                archive.add(path, path.name)
    return packed.getvalue()


def unpack_folder(packed: bytes, folder: Path) -> None:
    """What :func:`pack_folder` made. Raises OSError or tarfile.TarError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
