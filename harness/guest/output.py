"""A command's output on its way into a CommandRecord: bounded, and honest about it."""

from __future__ import annotations

import re

from harness.records import CommandRecord

OUTPUT_LIMIT_BYTES = 16 << 20


class Bounded:
    """The first ``limit`` bytes of a stream, and how many more there were."""

    def __init__(self, limit: int = OUTPUT_LIMIT_BYTES) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        room = self._limit - len(self._kept)
        self._kept += data[:room]
        self._dropped += max(0, len(data) - room)

    def text(self) -> str:
        """UTF-8 where it is; other bytes are spelled out, as in ``\\xff``."""
        text = self._kept.decode(errors="backslashreplace")
        if self._dropped:
            text += f"\n[daxhound: {self._dropped} more bytes were dropped]\n"
        return text


class MarkedStream:
    """One command's part of a stream: all up to a line of ``mark`` and the exit status.

    The mark's line begins with a line feed of its own, which is not the command's. ``status``
    is None until it has come.
    """

    def __init__(self, mark: str, limit: int = OUTPUT_LIMIT_BYTES) -> None:
        self.content = Bounded(limit)
        self.status: int | None = None
        self._end = re.compile(rf"\n{mark} (\d+)\n".encode())
        self._longest_end = len(mark) + len("\n 255\n")
        self._pending = b""

    def add(self, data: bytes) -> None:
        """Take the next bytes; what comes after the end is nobody's, and is dropped."""
        if self.status is not None:
            return
        self._pending += data
        end = self._end.search(self._pending)
        if end is not None:
            self.content.add(self._pending[: end.start()])
            self.status = int(end[1])
        elif len(self._pending) > self._longest_end:
            self.content.add(self._pending[: -self._longest_end])
            self._pending = self._pending[-self._longest_end :]


def brief(command: str) -> str:
    """A command as a message names it: itself, or how long a script it is."""
    lines = command.strip().splitlines()
    return repr(command) if len(lines) == 1 else f"a script of {len(lines)} lines"


def command_record(
    command: str, status: int, output: tuple[Bounded, Bounded], seconds: float
) -> CommandRecord:
    """The record of a finished command; ``output`` is stdout and stderr."""
    stdout, stderr = output
    return CommandRecord(command, status, stdout.text(), stderr.text(), seconds)
