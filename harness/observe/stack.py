"""Everything in a report that names a function, in its order: the evidence to judge by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import Literal

from harness.observe.frames import (
    find_counter,
    find_frame,
    find_idling,
    find_link,
    find_place,
)

Kind = Literal[
    "frame", "counter", "idling", "link", "lock", "trace", "origin", "became", "user", "panic"
]

_MARKS = 2000  # all CPUs of a stalled guest, or a recursion to the end of its stack

_TRACE = re.compile(r"[Cc]all [Tt]race\b|[Bb]acktrace(?: \(crc [0-9a-f]+\))?:|Stack traceback")
# Other stacks that a report tells of: where an object came from, who else holds a lock.
_ORIGIN = re.compile(
    r"(?:Allocated|Freed|allocated|freed) (?:by|in)\b|^(?:Allocated|Freed):|Uninit was "
    r"|Local variable |grace-period kthread stack dump"
    r"|page last (?:allocated|free)|(?:Last|Second to last) potentially|Showing all locks held"
    r"|^\s*-> #\d|the existing dependency chain|which lock already|(?:read|write)\w* to 0x\w+ of"
)
_BECAME = re.compile(r"which became .* at:")
_PANIC = re.compile(r"Kernel panic - not syncing")
# A stack that an exception or a system call interrupted: what comes below is the user's.
_USER = re.compile(r"^ *(?:--- interrupt: \w+ at 0x|</TASK>)|\bRIP: 0033:")
_LOCK = re.compile(r"\bat: (?:\[<[0-9a-f]+>\]\s+)?(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Mark:
    """A function's name and what named it, or the heading of a stack, without a name."""

    kind: Kind
    name: str = ""


class Stack:
    """The marks of one report, from its first line on."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []

    def take(self, text: str) -> None:
        """Read one line without its printk prefix."""
        if len(self.marks) < _MARKS:
            self.marks.extend(_marks(text))

    def before_panic(self) -> list[Mark]:
        """The marks that come before a panic; all, where only the panic shows a stack."""
        own = list(takewhile(lambda mark: mark.kind != "panic", self.marks))
        traced = dropwhile(lambda mark: mark.kind != "trace", own)
        return own if any(mark.kind == "frame" for mark in traced) else self.marks

    def shows_a_place(self) -> bool:
        """Whether any mark is a function that the kernel was in."""
        return any(mark.kind in ("frame", "counter", "link", "lock") for mark in self.marks)

    def names(self, *kinds: Kind) -> list[str]:
        return [mark.name for mark in self.marks if mark.kind in kinds]


def is_users(text: str) -> bool:
    """Whether a line ends the kernel's stack: what comes below is of user space."""
    return _USER.search(text) is not None


def _marks(text: str) -> Iterator[Mark]:
    if _PANIC.search(text):
        yield Mark("panic")
    elif _ORIGIN.search(text):
        yield Mark("origin", text.strip())
    elif _BECAME.search(text):
        yield Mark("became")
    elif _TRACE.search(text):
        yield Mark("trace")
    elif is_users(text):
        yield Mark("user")
    if (counter := find_counter(text)) is not None:
        yield Mark("counter", counter)
    elif (idling := find_idling(text)) is not None:
        yield Mark("idling", idling)
    elif (link := find_link(text)) is not None:
        yield Mark("link", link)
    elif (lock := _LOCK.search(text)) is not None:
        if (name := find_place(lock["rest"])) is not None:
            yield Mark("lock", name)
    elif (frame := find_frame(text)) is not None:
        yield Mark("frame", frame)
