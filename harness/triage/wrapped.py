"""A console that a terminal wrapped: lines cut at its width, the rest on lines of their own.

Only a text that was wrapped throughout is put together again: no line is longer than the
width, and most that are as long have their rest, which has no time of its own, below them.
"""

from __future__ import annotations

import re

_WIDTHS = range(60, 400)
_FULL_LINES = 3  # that begin with a time, so that what follows without one is theirs
_CUT_SHARE = 0.5  # of the lines that long; the others just are
_TIMED = re.compile(rb"(?:<\d{1,3}>)?\[ *\d+\.\d{6}\]")


def unwrap(data: bytes) -> bytes:
    """The same lines whole; an empty one stands where the rest of one was."""
    lines = [line.rstrip(b"\r") for line in data.split(b"\n")]
    timed = [_TIMED.match(line) is not None for line in lines]
    width = max(map(len, lines))
    full = [number for number, line in enumerate(lines[:-1]) if len(line) == width]
    cut = [number for number in full if lines[number + 1] and not timed[number + 1]]
    begun = sum(timed[number] for number in cut)
    if width not in _WIDTHS or begun < _FULL_LINES or len(cut) < _CUT_SHARE * len(full):
        return data
    for number in reversed(cut):
        lines[number] += lines[number + 1]
        lines[number + 1] = b""
    return b"\n".join(lines)
