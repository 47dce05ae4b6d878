"""Where a kernel that hangs is at, by its answer to SysRq: on its CPUs, and in tasks that wait.

Source: drivers/tty/sysrq.c sysrq_handle_showallcpus, showacpu; lib/nmi_backtrace.c
nmi_cpu_backtrace; kernel/sched/core.c sched_show_task.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from harness.observe.dispatch import is_dispatcher, is_waiting
from harness.observe.frames import find_counter, find_frame, find_place
from harness.observe.lines import LineCutter
from harness.observe.locate import is_interrupt
from harness.observe.stack import is_users

_MOST_FUNCTIONS = 3

_CPU = re.compile(r"(?:sysrq: CPU|NMI backtrace for cpu )(?P<number>\d+):?$")
_TASK = re.compile(r"task:(?P<name>\S.*?) +state:D\b")
_ON_CPU = re.compile(
    r"CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm: (?P<name>\S.*?) (?:Not tainted|Tainted:)"
)
_KERNEL_THREAD = re.compile(r"\bppid:2\b")
_OTHER = re.compile(r"sysrq: |task:|Sending NMI from CPU|NMI backtrace for cpu \d+ skipped")
# Interrupts that a key or another CPU comes with, beside those of a tick; what they met is below.
# Of powerpc it is a line between two stacks.
_ASKING = re.compile(
    r"asm_\w*interrupt\w*|io_int_handler|hardware_interrupt_common\w*|arch_local_irq_restore"
)
_POWERPC_INTERRUPT = re.compile(r"--- interrupt: [0-9a-f]+ at (?!0x)")
_IDLE = frozenset({"do_idle", "cpu_startup_entry", "default_idle", "arch_cpu_idle"})
# Who prints all this, where the key was read by a task.
_ASKED = "__handle_sysrq"


@dataclass(frozen=True, slots=True)
class Place:
    """What a CPU does, or a task waits in: ``functions``, the innermost first.

    ``who`` is the task's name, or the CPU's where the kernel does not tell whose stack it is.
    """

    who: str
    waits: bool
    functions: tuple[str, ...]

    def __str__(self) -> str:
        how = "waits in" if self.waits else "is in"
        return f"{self.who} {how} {' < '.join(self.functions)}"


def find_places(answer: str) -> tuple[Place, ...]:
    """Where each CPU is at that does not idle, and each task that is blocked.

    Of threads of the kernel those that do work for others count: others may wait for good.
    """
    return tuple(dict.fromkeys(place for block in _blocks(answer) if (place := _place(block))))


def _blocks(answer: str) -> Iterator[list[str]]:
    """The lines of each CPU and of each blocked task, from the one that names it on."""
    cutter = LineCutter()
    lines = [line.text for line in (*cutter.feed(answer.encode()), *cutter.close())]
    block: list[str] | None = None
    for line in lines:
        named = _CPU.match(line) or _TASK.match(line)
        if named or _OTHER.match(line):
            if block is not None:
                yield block
            block = [] if named else None
        if block is not None:
            block.append(line)
    if block is not None:
        yield block


def _place(block: list[str]) -> Place | None:
    first, *rest = block
    stack = _functions(rest)
    if task := _TASK.match(first):
        own = [name for name in stack if not is_waiting(name)]
        waits_for_good = _KERNEL_THREAD.search(first) and not task["name"].startswith("kworker")
        return None if waits_for_good or not own else _place_of(task["name"], True, own)
    if not stack or _ASKED in stack or not _IDLE.isdisjoint(stack):
        return None
    named = next(filter(None, map(_ON_CPU.match, rest)), None)
    cpu = _CPU.match(first)
    who = named["name"] if named else f"CPU {cpu['number']}" if cpu else first
    return _place_of(who, False, stack)


def _place_of(who: str, waits: bool, functions: list[str]) -> Place:
    return Place(who, waits, tuple(functions[:_MOST_FUNCTIONS]))


def _functions(lines: list[str]) -> list[str]:
    """The functions of a stack down to a dispatcher, from what an interrupt met that showed it."""
    functions: list[str] = []
    met = False
    for line in takewhile(lambda line: not is_users(line), lines):
        # What an interrupt met is no call's return address, and may be a function's first.
        name = find_counter(line) or (find_place if met else find_frame)(line)
        met = _POWERPC_INTERRUPT.search(line) is not None
        if met or (name and (is_interrupt(name) or _ASKING.fullmatch(name))):
            functions, met = [], True
        elif name and functions[-1:] != [name]:
            functions.append(name)
    return list(takewhile(lambda name: not is_dispatcher(name), functions))
