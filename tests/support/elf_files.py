"""ELF files of a few sections, made byte by byte."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

CODE_OFFSET = 64
"""Where the first section's bytes are: behind the header."""

ALLOCATED = 0x2
EXECUTABLE = 0x4
_PROGBITS, _STRTAB = 1, 3


@dataclass(frozen=True, slots=True)
class ElfSection:
    name: str
    data: bytes
    flags: int = ALLOCATED | EXECUTABLE
    address: int = 0


def make_elf(*sections: ElfSection, order: Literal["<", ">"], machine: int) -> bytes:
    """A 64-bit executable: the header, the sections one after the other, and their table."""
    names = b"\0"
    rows, data = [], b""
    for section in (*sections, ElfSection(".shstrtab", b"", flags=0)):
        kind = _STRTAB if section.name == ".shstrtab" else _PROGBITS
        rows.append((len(names), kind, section.flags, section.address, CODE_OFFSET + len(data)))
        names += section.name.encode() + b"\0"
        data += section.data
    row = struct.Struct(order + "IIQQQQIIQQ")
    sizes = (*(len(section.data) for section in sections), len(names))
    table = bytes(row.size) + b"".join(
        row.pack(*values, size, 0, 0, 1, 0) for values, size in zip(rows, sizes, strict=True)
    )
    ident = b"\x7fELF\x02" + (b"\x01" if order == "<" else b"\x02") + b"\x01" + bytes(9)
    table_at = CODE_OFFSET + len(data) + len(names)
    header = struct.pack(
        order + "HHIQQQIHHHHHH",
        *(2, machine, 1, 0, 0, table_at, 0, 64, 0, 0, row.size, len(rows) + 1, len(rows)),
    )
    return ident + header + data + names + table
