"""Quilt: a ``series`` file that lists patches in order, each with its -p."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.series.inputs import read_file
from harness.series.text import Text

_LEVEL = re.compile(r"-p(\d|ab)")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a series file: a patch, and how many leading parts to strip off its names."""

    path: Path
    level: int


def find_series_file(directory: Path) -> Path | None:
    """The series file of a quilt tree, or of its patches folder."""
    for path in (directory / "patches/series", directory / "series"):
        if path.is_file():
            return path
    return None


def read_series_file(path: Path) -> Iterator[Listed]:
    """Every patch that a series file lists. Raises UserError with the line."""
    text = read_file(path)
    for number, line in enumerate(text.content.decode(errors="replace").splitlines(), start=1):
        words = re.sub(r"(?:^|\s)#.*", "", line).split()
        if words:
            yield _read_line(words, text, number)


def _read_line(words: list[str], text: Text, number: int) -> Listed:
    name = Path(words[0])
    if name.is_absolute() or ".." in name.parts:
        raise text.error(f"{words[0]} is not below the folder of the series file", number)
    path = text.path.parent / name
    if not path.is_file():
        raise text.error(f"{words[0]} is not there", number)
    level = 1
    for option in words[1:]:
        found = _LEVEL.fullmatch(option)
        if found is None:
            raise text.error(f"{option}: only -p is understood here", number)
        level = 1 if found[1] == "ab" else int(found[1])
    return Listed(path, level)
