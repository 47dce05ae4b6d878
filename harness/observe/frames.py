"""Functions named by a kernel's registers and stack traces, on every architecture.

Addresses, offsets and the suffixes of compiler clones (``.isra.0``) are dropped, and the
wrappers of a system call share its name, so that one function has one name on every build.
"""

from __future__ import annotations

import re

# ELFv1 powerpc has a dot before the name, 2.6 its module. scripts/decode_stacktrace.sh
# replaces the offsets with the places in the source.
_PLACED = (
    r"(?P<name>[A-Za-z_$][\w$.]*)"
    r"(?:[+-]0x[0-9a-f]+/0x[0-9a-f]+| \([\w./+-]{1,200}\.(?:[chS]|rs):\d+)"
)
_NAME = r"(?::\w+:|\.)?" + _PLACED
_ANYWHERE = re.compile(r"\b" + _PLACED)
_ADDRESS = r"(?:<?\[?<?(?:0x)?[0-9a-f]{8,16}>?\]?>?\s+){0,2}"
_CLONE = re.compile(
    r"\.(?:isra|constprop|part|cold|llvm|lto_priv|localalias|cfi_jt|cfi|[0-9]+)\b.*$"
)

# Where the kernel was. A user's RIP has selector 0033, and no name; powerpc prints NIP
# without a name first; arm64 with shadow addresses puts one before the name.
_COUNTER = re.compile(
    r"(?:\b[RE]?IP: (?:[0-9a-f]{4}:)?|\bpc : |\b(?:PC|EIP) is at |\bNIP |\bepc ?: *|\bERA: *"
    r"|\bKrnl PSW : [0-9a-f ]+\()" + _ADDRESS + _NAME
)

# Where it came from, which is what tells after a jump to nowhere: arm, powerpc, riscv.
_LINK = re.compile(r"(?:\blr : |\bLR is at |\bLR |\bra ?: *)" + _ADDRESS + _NAME)

# A CPU that has no stack worth showing: it idles (lib/nmi_backtrace.c nmi_cpu_backtrace).
_IDLING = re.compile(r"\bbacktrace for cpu \d+ skipped: idling at " + _ADDRESS + _NAME)

# One line of a stack trace. A "?" marks what was found on the stack beside the trace, on
# powerpc a word behind the name.
_FRAME = re.compile(
    r"\s*(?:<(?:EOI|IRQ|NMI|TASK|#DF|SOFTIRQ)>\s*)*\(?" + _ADDRESS + _NAME + r"(?P<rest>.*)"
)
# arm's unwinder names the caller second: "[<a>] (callee) from [<b>] (caller+0x1/0x2)".
_ARM_FRAME = re.compile(
    r"\s*"
    + _ADDRESS
    + r"\(?[\w.]+(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: \[\w+\])?\)? from "
    + _ADDRESS
    + r"\(?"
    + _NAME
)

# A call that never returns (panic) may end its function: the address after it is the next
# function's first. Entry code is returned to by its first address indeed.
_PAST_END = re.compile(r"(?!ret_)[\w$.]+\+0x0/")

# What SYSCALL_DEFINE makes of one name: the architecture's wrapper around sys_NAME
# (arch/*/include/asm/syscall_wrapper.h), and the bodies and helpers of NAME itself.
_WRAPPER = re.compile(r"__(?:x64|ia32|arm64|riscv|s390x?|powerpc)_(?=(?:compat_)?sys_)")
_BODY = re.compile(r"^(?:(?:compat_)?(?:SyS|SYSC)_|(?:__do_|__se_|_{2,4}|k)?sys_(?=[a-z0-9_]+$))")


def plain_name(symbol: str) -> str:
    """A function's name without what a compiler or an architecture put around it."""
    name = _CLONE.sub("", symbol) or symbol
    unwrapped = _WRAPPER.sub("", name)
    return unwrapped if unwrapped != name else _BODY.sub("", name, count=1) or name


def find_counter(line: str) -> str | None:
    """The function that a line of registers says the kernel was in."""
    return _named_by(_COUNTER, line)


def find_link(line: str) -> str | None:
    """The function that a line of registers says the kernel would return to."""
    return _named_by(_LINK, line)


def find_idling(line: str) -> str | None:
    """The function that a CPU idles in, where its stack is left out for that."""
    return _named_by(_IDLING, line)


def find_all(text: str) -> tuple[str, ...]:
    """Every function that a report names with a place in it, once, whatever for."""
    return tuple(dict.fromkeys(plain_name(match["name"]) for match in _ANYWHERE.finditer(text)))


def _named_by(pattern: re.Pattern[str], line: str) -> str | None:
    match = pattern.search(line)
    return plain_name(match["name"]) if match else None


def find_frame(line: str) -> str | None:
    """The function of one line of a stack trace; None for one that may not belong to it."""
    match = _FRAME.match(line)
    if match is not None and _PAST_END.match(line, match.start("name")):
        return None
    return find_place(line)


def find_place(text: str) -> str | None:
    """The function that text begins with, its very first instruction included."""
    match = _FRAME.match(text) or _ARM_FRAME.match(text)
    if match is None or "(unreliable)" in text:
        return None
    return plain_name(match["name"])
