"""Amounts as people and tools write them: ``16M``, ``2GiB``, ``0x400000000``, ``2 cells``."""

from __future__ import annotations

import re
from fractions import Fraction

from harness.errors import BadValue

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE = re.compile(r"(0x[0-9a-fA-F]+|[0-9]+)\s*([KMGT]?)(?:i?B)?")
_LEADING_ZERO = re.compile(r"0[0-9]")
_LONGEST = 60  # more digits than that are a mistake, and Python reads no more than thousands
_MEANT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?b)?", re.IGNORECASE)


def parse_size(text: str | int) -> int:
    """Bytes from ``64K``, ``2GiB``, ``0x1000`` or a plain number.

    Units are powers of 1024, as ndctl and QEMU read them, and ``M``, ``MB`` and ``MiB`` are one.
    Raises BadValue, a ValueError.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    if isinstance(text, str) and len(text) > _LONGEST:
        raise BadValue(f"'{text[:_LONGEST]}...' is too long for a size")
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        message = f"{text!r} is not a size such as 64K, 2MiB, 1G or 0x400000000"
        raise BadValue(message, _meant_size(str(text)))
    number, unit = match.groups()
    if _LEADING_ZERO.match(number):
        message = f"{text!r} begins with 0, as numbers to the base 8 do, which sizes are not"
        raise BadValue(message, f"{int(number)}{unit}")
    return int(number, 0) << _UNITS[unit]


def _meant_size(text: str) -> str | None:
    """A size that is probably meant; None where that is anybody's guess."""
    match = _MEANT.fullmatch(text.strip())
    if match is None:
        return None
    size = Fraction(match[1]) * (1 << _UNITS[match[2].upper()])
    return format_size(int(size)) if size.denominator == 1 else None


def format_size(size_bytes: int) -> str:
    """The shortest exact spelling: 16777216 is ``16M``, 4097 stays ``4097``."""
    for unit in ("T", "G", "M", "K"):
        scale = 1 << _UNITS[unit]
        if size_bytes and size_bytes % scale == 0:
            return f"{size_bytes // scale}{unit}"
    return str(size_bytes)


def count(number: int, what: str) -> str:
    """``1 cell``, ``2,000 cells``."""
    plural = "" if number == 1 else "es" if what.endswith("ch") else "s"
    return f"{number:,} {what}{plural}"


def align_up(value: int, alignment: int) -> int:
    """The first multiple of ``alignment`` not below ``value``."""
    return -(-value // alignment) * alignment


def align_down(value: int, alignment: int) -> int:
    """The last multiple of ``alignment`` not above ``value``."""
    return value // alignment * alignment
