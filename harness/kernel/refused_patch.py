"""Why a patch does not apply: git's words, put next to the patch's own hunks."""

from __future__ import annotations

import re
from pathlib import Path

from harness.series.diff import read_diff
from harness.series.patch import Patch
from harness.series.section import FileDiff
from harness.series.text import Text, printable

_FAILED = re.compile(r"^error: patch failed: (?P<path>.+):(?P<line>\d+)$", re.MULTILINE)
_ABSENT = re.compile(r"^error: (?P<path>.+): No such file or directory$", re.MULTILINE)
_THERE = re.compile(r"^error: (?P<path>.+): already exists in working directory$", re.MULTILINE)


def explain_refusal(patch: Patch, said: bytes, is_in: bool) -> str:
    """File and hunk that do not fit; ``is_in`` where taking the patch out would work."""
    if is_in:
        return "what it changes has been changed that way already"
    words = said.decode(errors="replace")
    if failed := _FAILED.search(words):
        others = len(set(_FAILED.findall(words))) - 1
        more = f", and {others} more file{'s' * (others > 1)}" if others else ""
        return f"{failed['path']}, {_hunk(patch, failed['path'], int(failed['line']))}{more}"
    if absent := _ABSENT.search(words):
        hint = "; if its names start elsewhere, a quilt series can say so (-p0, -p2)"
        return f"{absent['path']} is not in the tree{hint}"
    if there := _THERE.search(words):
        return f"{there['path']} is there already"
    first = words.strip().partition("\n")[0]
    return printable(first.removeprefix("error: ")) or "git apply failed"


def _hunk(patch: Patch, path: str, line: int) -> str:
    """The hunk that git could not place: it names it by its line in the old file."""
    for file in _files(patch):
        if path not in (file.old, file.new):
            continue
        for number, hunk in enumerate(file.hunks, start=1):
            if hunk.old_start == line:
                return f"hunk {number} of {len(file.hunks)} ({hunk.header})"
    return f"at line {line}"


def _files(patch: Patch) -> tuple[FileDiff, ...]:
    return read_diff(Text(patch.diff, Path(patch.where)), level=1).files
