"""Standard output and standard error, whose reader may go away before all is said.

Python's own stream raises then, at any print and once more when the interpreter ends, whose exit
code says nothing of what a command found.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class ReaderGoneError(BrokenPipeError):
    """Nobody reads what is said any more."""


class _Pipe(io.FileIO):
    """One of the process's own descriptors; it leads to /dev/null once nobody reads it."""

    def __init__(self, descriptor: int, needed: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._needed = needed

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError as exc:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if self._needed:
                raise ReaderGoneError from exc
            return memoryview(data).nbytes


@contextmanager
def outlives_reader(name: Literal["stdout", "stderr"], *, needed: bool = False) -> Iterator[None]:
    """Go on where the reader of a stream goes away.

    With ``needed`` the first write that nobody reads raises ReaderGoneError, here at the latest.
    """
    own = getattr(sys, name)
    # Something else that stands in its place, or nothing, is no pipe.
    if own is not getattr(sys, f"__{name}__") or not isinstance(own, io.TextIOWrapper):
        yield
        return
    raw = _Pipe(own.fileno(), needed)
    stream = io.TextIOWrapper(
        raw if own.write_through else io.BufferedWriter(raw),
        encoding=own.encoding,
        # What a locale has no character for is told as far as it has.
        errors="backslashreplace" if own.errors == "strict" else own.errors,
        line_buffering=own.line_buffering,
        write_through=own.write_through,
    )
    setattr(sys, name, stream)
    try:
        yield
    finally:
        setattr(sys, name, own)
        stream.flush()
