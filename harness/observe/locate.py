"""Which of the functions that a report names is the one at fault.

A class of reports says where to look (``Where``: the marks worth asking, best first) and
how to choose among them (``Choose``); helpers are passed over in any case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import dropwhile, takewhile

from harness.observe.helpers import is_helper, is_reporter
from harness.observe.stack import Kind, Mark

Where = Callable[[str | None, Sequence[Mark]], Iterator[str]]
Choose = Callable[[Sequence[str]], str | None]

# Interrupts that a tick comes with; what is below them on the stack is what they met.
_INTERRUPT = re.compile(
    r"\w*apic_timer_interrupt\w*|el1h?_(?:64_)?irq\w*|__irq_svc|ext_int_handler"
    r"|decrementer_common\w*|handle_int|ret_from_exception|do_irq|asm_common_interrupt"
)


def at_fault(named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """The named function, the program counter, and then the stack beneath."""
    if named:
        yield named
    counter = next((mark for mark in marks if mark.kind == "counter"), None)
    if counter is not None:
        yield counter.name
    else:
        yield from (mark.name for mark in marks if mark.kind == "link")
    yield from in_trace(None, marks)


def named_then_trace(named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """The named function, and then the stack."""
    if named:
        yield named
    yield from in_trace(None, marks)


def in_trace(_named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """The report's own stack; without a heading, all that looks like one."""
    yield from _own(_after(marks, "trace") or marks)


def trace_then_origin(named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """The stack; where it is missing, those of the object."""
    yield from in_trace(named, marks)
    yield from (mark.name for mark in marks if mark.kind == "frame")


def trace_then_lock(named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """The stack; where it is missing, where the lock was asked for."""
    yield from in_trace(named, marks)
    yield from (mark.name for mark in marks if mark.kind == "lock")


def in_stack(named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """Every stack of the report, those of its objects included."""
    if named:
        yield named
    yield from (mark.name for mark in marks if mark.kind in ("frame", "counter"))


def at_lock(_named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """Where the lock of the complaint was asked for, and then the stack."""
    yield from (mark.name for mark in marks if mark.kind == "lock")
    yield from in_stack(None, marks)


def at_origin(_named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """Where the page or object came from; else the stack that found it."""
    origin = _after(marks, "origin")
    yield from (mark.name for mark in origin if mark.kind == "frame")
    yield from in_trace(None, marks)


def interrupted(_named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """What a tick interrupted; without a tick, what the first CPU shown was at.

    A CPU that idles is told of by a line alone: the stack that comes next is another task's.
    That of RCU's own thread, which waits to be woken, is no CPU's either.
    """
    marks = list(_without_origins(marks))
    shown = next((mark for mark in marks if mark.kind in ("idling", "counter", "trace")), None)
    if shown is not None and shown.kind == "idling":
        yield shown.name
        return
    rest = list(dropwhile(lambda mark: not is_interrupt(mark.name), marks))
    below = list(dropwhile(lambda mark: is_interrupt(mark.name), rest))
    if below:
        yield from _own(below)
    else:
        yield from at_fault(None, marks)


def where_unsafe(_named: str | None, marks: Sequence[Mark]) -> Iterator[str]:
    """Where a lock first became one that interrupts take."""
    became = _after(marks, "became")
    if became:
        yield from (mark.name for mark in became)
    else:
        yield from at_lock(None, marks)


def is_interrupt(function: str) -> bool:
    """Whether a function is the way of an interrupt into the kernel."""
    return _INTERRUPT.fullmatch(function) is not None


def first(frames: Sequence[str]) -> str | None:
    """The innermost."""
    return frames[0] if frames else None


def find_function(
    candidates: Iterator[str], choose: Choose, skip: re.Pattern[str] | None
) -> str | None:
    """The chosen one of the candidates that are no helpers; else the first that met it."""
    known = list(candidates)
    telling = [
        name for name in known if not is_helper(name) and not (skip and skip.fullmatch(name))
    ]
    return choose(telling) or first(telling) or first(_met(known)) or first(known)


def _met(names: Sequence[str]) -> list[str]:
    return [name for name in names if not is_reporter(name)]


def _after(marks: Sequence[Mark], kind: str) -> list[Mark]:
    """What follows the first heading of a kind that frames follow."""
    rest = list(dropwhile(lambda mark: mark.kind != kind, marks))
    return [mark for mark in rest[1:] if mark.kind != kind] if rest else []


def _without_origins(marks: Sequence[Mark]) -> Iterator[Mark]:
    """All but the stacks that a report tells of beside its own, each up to the next heading."""
    passed: tuple[Kind, ...] = ()
    for mark in marks:
        if mark.kind == "origin":
            passed = ("trace", "frame")
        elif mark.kind in passed:
            passed = ("frame",)
        else:
            passed = ()
            yield mark


def _own(marks: Sequence[Mark]) -> Iterator[str]:
    until = takewhile(lambda mark: mark.kind not in ("origin", "user"), marks)
    yield from (mark.name for mark in until if mark.kind in ("frame", "counter"))
