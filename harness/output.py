"""Standard output and standard error, whose reader may go away before all is said.

Python's own stream raises then, at any print and once more when the interpreter ends, whose exit
code says nothing of what a command found. Where a stream was closed from the beginning, Python has
none at all.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from harness.errors import InfrastructureError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


class ReaderGoneError(BrokenPipeError):
    """Nobody reads what is said any more."""


class _Pipe(io.FileIO):
    """One of the process's own descriptors; it leads to /dev/null once nobody reads it."""

    def __init__(self, descriptor: int, name: str, needed: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._said_on = name
        self._needed = needed

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError as exc:
            self._lead_nowhere()
            if self._needed:
                raise ReaderGoneError from exc
        except OSError as exc:
            self._lead_nowhere()
            if self._said_on == "stdout":  # of standard error there is nowhere to tell
                message = f"standard output cannot be written: {exc.strerror}"
                raise InfrastructureError(message) from exc
        return memoryview(data).nbytes

    def _lead_nowhere(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def open_closed_streams() -> None:
    """Have /dev/null stand where standard input, output or error was closed by the caller.

    The next file that is opened would have its number, and what a child prints would go there.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) < len(_STREAMS):
        os.set_inheritable(nowhere, True)
    os.close(nowhere)
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


@contextmanager
def outlives_reader(name: Literal["stdout", "stderr"], *, needed: bool = False) -> Iterator[None]:
    """Go on where the reader of a stream goes away.

    With ``needed`` the first write that nobody reads raises ReaderGoneError, here at the latest; so
    does InfrastructureError whatever of standard output a full disk has no room for.
    """
    own = getattr(sys, name)
    # Something else that stands in its place, or nothing, is no pipe.
    if own is not getattr(sys, f"__{name}__") or not isinstance(own, io.TextIOWrapper):
        yield
        return
    raw = _Pipe(own.fileno(), name, needed)
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
