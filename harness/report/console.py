"""What is shown of a console: its beginning, the kernel report, its end, and what was cut.

Reads no more than it shows once the report's place is found, whatever the size of the
file. Lines are counted from 1, as in a report's ``first_line``.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.report.text import printable

HEAD_LINES = 30
BEFORE_LINES = 80
REPORT_LINES = 400
AFTER_LINES = 40
TAIL_LINES = 120
LINE_CHARACTERS = 600
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive lines, the first of them number ``first_line``."""

    first_line: int
    lines: tuple[str, ...]

    @property
    def end(self) -> int:
        """The number of the line behind the last."""
        return self.first_line + len(self.lines)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The pieces that are shown of a console of ``size_bytes`` and ``lines`` lines."""

    size_bytes: int
    lines: int
    pieces: tuple[Piece, ...]

    @property
    def cut_lines(self) -> int:
        return self.lines - sum(len(piece.lines) for piece in self.pieces)


def read_excerpt(path: Path, report: tuple[int, int] | None) -> Excerpt | None:
    """What to show of a console log; None where there is none.

    ``report`` is the first and the last line of the kernel report.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size == 0:
                return Excerpt(0, 0, ())
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _excerpt(data, report)
    except (OSError, ValueError):
        return None


def _excerpt(data: mmap.mmap, report: tuple[int, int] | None) -> Excerpt:
    index = _LineIndex(data)
    ranges = [(1, HEAD_LINES), (index.lines - TAIL_LINES + 1, index.lines)]
    if report is not None:
        first, last = report
        shown_last = min(last, first + REPORT_LINES - 1)
        ranges.append((first - BEFORE_LINES, shown_last))
        ranges.append((last - AFTER_LINES, last + AFTER_LINES))
    pieces = tuple(
        Piece(first, tuple(index.read(first, last))) for first, last in _joined(ranges, index.lines)
    )
    return Excerpt(len(data), index.lines, pieces)


def _joined(ranges: list[tuple[int, int]], lines: int) -> Iterator[tuple[int, int]]:
    """Ranges of lines in order, cut to what exists, those that touch made one."""
    inside = sorted((max(1, first), min(last, lines)) for first, last in ranges)
    current: tuple[int, int] | None = None
    for first, last in inside:
        if first > last:
            continue
        if current is not None and first <= current[1] + 1:
            current = current[0], max(current[1], last)
            continue
        if current is not None:
            yield current
        current = first, last
    if current is not None:
        yield current


class _LineIndex:
    """Finds lines by number: newlines are counted block by block."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._before = [0]  # newlines before each block
        for start in range(0, len(data), _BLOCK):
            self._before.append(self._before[-1] + data[start : start + _BLOCK].count(b"\n"))
        unended = data[-1:] != b"\n"
        self.lines = self._before[-1] + unended

    def read(self, first: int, last: int) -> Iterator[str]:
        """Lines ``first`` to ``last``, each as it can be shown."""
        start = self._offset(first)
        for _ in range(first, last + 1):
            end = self._data.find(b"\n", start)
            end = len(self._data) if end < 0 else end
            yield _shown(self._data[start : min(end, start + 4 * LINE_CHARACTERS)], end - start)
            start = end + 1

    def _offset(self, line: int) -> int:
        """Where a line begins: behind newline number ``line - 1``."""
        wanted = line - 1
        if wanted == 0:
            return 0
        block = next(i for i, before in enumerate(self._before) if before >= wanted) - 1
        offset = block * _BLOCK
        for _ in range(wanted - self._before[block]):
            offset = self._data.find(b"\n", offset) + 1
        return offset


def _shown(data: bytes, size_bytes: int) -> str:
    text = printable(data.decode("utf-8", "replace").rstrip("\r"))
    if len(text) <= LINE_CHARACTERS and size_bytes <= len(data):
        return text
    return f"{text[:LINE_CHARACTERS]} [line of {size_bytes} bytes cut here]"
