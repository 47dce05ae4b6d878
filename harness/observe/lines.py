"""Console bytes cut into lines, and each line freed of what a printk or a terminal adds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.observe.stamps import Stamp, read_stamp, skip_tag

# A longer line is cut; a printk record is no longer than 1024 (PRINTKRB_RECORD_MAX). Patterns
# may take the square of a line's length, so that this is what keeps a log's cost linear.
_LINE_BYTES = 1200

_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|[\x00-\x08\x0b-\x1f\x7f]")
# printk's time, also in the middle: a user's unfinished line before it is another line's.
_TIME = re.compile(r"(?:<\d{1,3}>)?\[ *(?P<time>\d{1,11}\.\d{6})\] ?")
# What is left of a time whose beginning was lost.
_CUT_TIME = re.compile(r"^ *(?:[TC]?\d{1,6}|\d{0,7}\.\d{1,6})\] ?")
_CALLER = re.compile(r"^\[ *(?P<caller>[TC]\d+)\] ?")
_LEVEL = re.compile(r"^<\d{1,3}>")


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a console; ``number`` is its line's, counted from 1.

    ``text`` has no time, level, caller or escape sequences. ``time`` is printk's, in
    seconds as printed, or "" where only its end came through; None where there was none.
    ``caller`` is printk's, as in ``T123`` (a task) or ``C1`` (an interrupt on a CPU), where
    the kernel prints it. ``archived`` is a line of a system's log rather than a console's.
    """

    number: int
    text: str
    caller: str | None
    time: str | None
    archived: bool = False

    @property
    def timed(self) -> bool:
        """Whether printk said it, as far as one can tell."""
        return self.time is not None


class LineCutter:
    """Bytes in, lines out; holds no more than one line."""

    def __init__(self) -> None:
        self.count = 0
        self._rest = bytearray()
        self._mid_line = False  # the beginning of the line in _rest was already given out

    def feed(self, data: bytes) -> Iterator[Line]:
        """Every message of each line that is complete with ``data``."""
        start = 0
        while (newline := data.find(b"\n", start)) >= 0:
            self._rest += data[start:newline]
            yield from self._cut_long()
            yield from self._end_line()
            start = newline + 1
        self._rest += data[start:]
        yield from self._cut_long()

    def close(self) -> Iterator[Line]:
        """The messages of a last line that was never ended."""
        if self._rest or self._mid_line:
            yield from self._end_line()

    def _cut_long(self) -> Iterator[Line]:
        while len(self._rest) > _LINE_BYTES:
            cut = self._rest.rfind(b" ", 1, _LINE_BYTES)
            cut = _LINE_BYTES if cut < 0 else cut
            part = self._rest[:cut]
            del self._rest[:cut]  # which copies nothing of what is left
            if not self._mid_line:
                self._mid_line = True
                self.count += 1
            yield from _messages(part, self.count)

    def _end_line(self) -> Iterator[Line]:
        if not self._mid_line:
            self.count += 1
        part, self._rest, self._mid_line = self._rest, bytearray(), False
        yield from _messages(part, self.count)


def _messages(raw: bytearray, number: int) -> Iterator[Line]:
    """The messages of one line: more than one where another writer broke into it.

    Empty ones are left out.
    """
    for part in filter(None, raw.decode(errors="replace").split("\r")):
        text = _CONTROL.sub("", part)
        stamp = read_stamp(text)
        begin = stamp.end
        printed = "" if stamp.kernel else None
        for time in _TIME.finditer(text, begin):
            if time.start() > begin:
                yield _message(text[begin : time.start()], number, printed, stamp)
            begin, printed = skip_tag(text, time.end()), time["time"]
        if begin < len(text):
            yield _message(text[begin:], number, printed, stamp)


def _message(text: str, number: int, time: str | None, stamp: Stamp) -> Line:
    if time is None:
        text = _LEVEL.sub("", text)
        if cut := _CUT_TIME.match(text):
            text, time = text[cut.end() :], ""
    caller = _CALLER.match(text)
    if caller is None:
        return Line(number, text, stamp.caller, time, stamp.archived)
    return Line(number, text[caller.end() :], caller["caller"], time, stamp.archived)
