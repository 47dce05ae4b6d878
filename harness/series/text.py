"""Bytes of a series, and where a person finds them."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UserError

# Beyond any line of source; a longer one is no patch but an attack or a mistake.
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes that start at ``line`` of the file ``path``.

    ``decoded`` says that they were in base64 or the like, so that their own lines do not
    count in the file. ``hint`` goes with every error in them.
    """

    content: bytes
    path: Path
    line: int = 1
    decoded: bool = False
    hint: str | None = None

    def error(self, message: str, number: int = 1, hint: str | None = None) -> UserError:
        """An error at one of this text's own lines, counted from 1."""
        if self.decoded:
            message += f" (line {number} of the message, decoded)"
        return UserError(message, path=self.path, line=self.line_of(number), hint=hint or self.hint)

    def line_of(self, number: int) -> int:
        """The file's line of one of this text's own."""
        return self.line if self.decoded else self.line + number - 1

    def where(self, number: int = 1) -> str:
        """The file and line of one of this text's own lines."""
        return f"{self.path}:{self.line_of(number)}"

    def part(self, start: int, end: int, number: int) -> Text:
        """A slice that starts at this text's line ``number``."""
        return replace(self, content=self.content[start:end], line=self.line_of(number))


class Lines:
    """The lines of a text one after the other, without their ends; one may be looked at ahead.

    ``strip_cr`` takes the carriage return off each, for text that a mailer or an editor
    has converted as a whole.
    """

    def __init__(self, text: Text, strip_cr: bool = False) -> None:
        self.text = text
        self.number = 0
        self._end = b"\r\n" if strip_cr else b"\n"
        self._file = io.BytesIO(text.content)
        self._ahead = self._read()

    def peek(self) -> bytes | None:
        """The next line; None at the end."""
        return self._ahead

    def take(self) -> bytes | None:
        """The next line, which is then behind."""
        line, self._ahead = self._ahead, None
        if line is not None:
            self.number += 1
            self._ahead = self._read()
        return line

    def error(self, message: str, hint: str | None = None) -> UserError:
        """An error at the line that was taken last."""
        return self.text.error(message, max(self.number, 1), hint)

    def _read(self) -> bytes | None:
        line = self._file.readline(_LONGEST_LINE)
        if len(line) == _LONGEST_LINE:
            raise self.text.error(f"a line of more than {_LONGEST_LINE} bytes", self.number + 1)
        if not line:
            return None
        line = line.removesuffix(b"\n")
        return line.removesuffix(b"\r") if self._end == b"\r\n" else line


def visible(line: bytes) -> str:
    """A stranger's line with its spaces as they are; what a terminal might obey is spelled out."""
    text = line.decode(errors="replace")
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)


def printable(text: str) -> str:
    """Words of a stranger as one line that cannot move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
