"""Bytes of a series' files: bounded, and unpacked where they are packed."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from harness.errors import UserError
from harness.series.text import Text

# A kernel release's whole patch has less.
MOST_BYTES = 64 << 20
_GZIP = b"\x1f\x8b"


def read_file(path: Path) -> Text:
    """A file's text. Raises UserError."""
    try:
        with path.open("rb") as file:
            return read_stream(file, path)
    except OSError as exc:
        raise UserError(f"cannot be read: {exc.strerror}", path=path) from exc


def read_stream(file: BinaryIO, path: Path) -> Text:
    """A stream's text, to its end; ``path`` is what messages call it."""
    content = _bounded(file, path)
    if content.startswith(_GZIP):
        try:
            content = _bounded(gzip.GzipFile(fileobj=io.BytesIO(content)), path)
        except (OSError, EOFError, zlib.error) as exc:
            raise UserError(f"is no complete gzip file: {exc}", path=path) from exc
    return Text(content, path)


def _bounded(file: BinaryIO | gzip.GzipFile, path: Path) -> bytes:
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"has more than {MOST_BYTES >> 20} MiB, more than any series", path=path)
    return content
