"""A command's output on its way into a CommandRecord: bounded, and honest about it."""

from __future__ import annotations

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

    def drop(self, count: int) -> None:
        """Count bytes that were dropped before they came here."""
        self._dropped += count

    def text(self) -> str:
        """UTF-8 where it is; other bytes are spelled out, as in ``\\xff``."""
        text = self._kept.decode(errors="backslashreplace")
        if self._dropped:
            text += f"\n[daxhound: {self._dropped} more bytes were dropped]\n"
        return text


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
