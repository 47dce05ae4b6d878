"""Why a patch does not apply: git's words, put next to the patch's own hunks and the file."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.kernel.plain_file import File
from harness.series.diff import read_diff
from harness.series.patch import Patch
from harness.series.section import Hunk
from harness.series.text import Text, printable, visible

_FAILED = re.compile(r"^error: patch failed: (?P<path>.+):(?P<line>\d+)$", re.MULTILINE)
_ABSENT = re.compile(r"^error: (?P<path>.+): No such file or directory$", re.MULTILINE)
_THERE = re.compile(r"^error: (?P<path>.+): already exists in working directory$", re.MULTILINE)
# Of a large hunk in a large file only places near to the one that it names are looked at.
_MOST_COMPARISONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """``reason`` may have further lines, indented; ``where`` is the file and line to look at."""

    reason: str
    where: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A hunk of a patch: ``number`` counts from 1 in its file, ``index`` from 0 in the patch."""

    hunk: Hunk
    number: int
    of: int
    index: int


def explain_refusal(
    patch: Patch, said: bytes, is_in: bool, read: Callable[[str], File | None]
) -> Refusal:
    """File and hunk that do not fit; ``is_in`` where taking the patch out would work.

    ``read`` has the files as they are before the patch.
    """
    if is_in:
        return Refusal("what it changes has been changed that way already", patch.where)
    words = said.decode(errors="replace")
    if failed := _FAILED.search(words):
        others = len(set(_FAILED.findall(words))) - 1
        more = f", and {others} more file{'s' * (others > 1)}" if others else ""
        return _misfit(patch, failed["path"], int(failed["line"]), more, read)
    if absent := _ABSENT.search(words):
        hint = "; if its names start elsewhere, a quilt series can say so (-p0, -p2)"
        return Refusal(f"{absent['path']} is not in the tree{hint}", patch.where)
    if there := _THERE.search(words):
        return Refusal(f"{there['path']} is there already", patch.where)
    first = words.strip().partition("\n")[0]
    reason = printable(first.removeprefix("error: ")) or "git apply failed"
    return Refusal(reason, patch.where)


def _misfit(
    patch: Patch, path: str, line: int, more: str, read: Callable[[str], File | None]
) -> Refusal:
    """The hunk that git could not place, and the first of its lines that is not there."""
    place = _find(patch, path, line)
    if place is None:
        return Refusal(f"{path}, at line {line}{more}", patch.where)
    hunk = place.hunk
    reason = f"{path}, hunk {place.number} of {place.of} ({hunk.header}){more}"
    file = read(path)
    if file is not None:
        lines = file.content.removesuffix(b"\n").split(b"\n")
        reason += "".join(f"\n  {one}" for one in _difference(_old_lines(patch, hunk), lines, line))
    where = patch.hunks[place.index] if place.index < len(patch.hunks) else patch.where
    return Refusal(reason, where)


def _find(patch: Patch, path: str, line: int) -> _Place | None:
    """git names a hunk by its line in the old file."""
    index = 0
    for file in read_diff(Text(patch.diff, Path(patch.where)), level=1).files:
        for number, hunk in enumerate(file.hunks, start=1):
            if path in (file.old, file.new) and hunk.old_start == line:
                return _Place(hunk, number, len(file.hunks), index)
            index += 1
    return None


def _old_lines(patch: Patch, hunk: Hunk) -> list[bytes]:
    """What the hunk wants to find."""
    body = patch.diff.split(b"\n")[hunk.line :]
    old = (line[1:] for line in body if line[:1] in (b" ", b"-"))
    return [next(old) for _ in range(hunk.old_lines)]


def _difference(old: Sequence[bytes], lines: Sequence[bytes], start: int) -> Iterator[str]:
    """The first line that differs where most of the hunk is, nearest to ``start`` of several."""
    if not old:
        return
    reach = max(_MOST_COMPARISONS // len(old), 1)
    places = range(max(start - 1 - reach, 0), min(start + reach, len(lines)))

    def likeness(place: int) -> tuple[int, int]:
        alike = sum(map(operator.eq, old, lines[place : place + len(old)]))
        return alike, -abs(place - (start - 1))

    best = max(places, key=likeness, default=0)
    for number, wanted in enumerate(old, start=best):
        if number >= len(lines):
            yield f"wants: {visible(wanted)}"
            yield f"base ends at line {len(lines)}"
            return
        if lines[number] != wanted:
            yield f"wants: {visible(wanted)}"
            yield f"base has, line {number + 1}: {visible(lines[number])}"
            return
