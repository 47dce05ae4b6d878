"""s390x kernels in little: code, the table of its alternatives, and what these put in its place."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.support.elf_files import ALLOCATED, ElfSection, make_elf

MACHINE = 22  # EM_S390
TEXT, TABLE, REPLACEMENTS = 0x100000, 0x6CF000, 0x6D9000
FILLER = bytes.fromhex("e310f0000004")  # lg %r1,0(%r15), six bytes


def branch(to: int) -> bytes:
    """b to(0); nopr."""
    return b"\x47\xf0" + struct.pack(">H", to) + b"\x07\x00"


def lpswey(psw: int, base: int = 0) -> bytes:
    """lpswey psw(base), with a displacement of 20 bits."""
    low = struct.pack(">H", base << 12 | psw & 0xFFF)
    return b"\xeb\x00" + low + bytes([psw >> 12]) + b"\x71"


def lpswe(psw: int) -> bytes:
    """lpswe psw(0); nopr: what takes a branch's place."""
    return b"\xb2\xb2" + struct.pack(">H", psw) + b"\x07\x00"


@dataclass(frozen=True, slots=True)
class Alternative:
    """Code, and what the kernel puts in its place on a CPU that has a facility."""

    code: bytes
    replacement: bytes


def make_return(psw: int, to: int = 0x400) -> Alternative:
    """A return by way of the lowcore; ``psw`` is the address of the PSW there."""
    return Alternative(branch(to), lpswey(psw))


def make_code(*codes: bytes) -> bytes:
    """A section of code: no part of it stands anywhere else in it."""
    return FILLER.join((b"", *codes, b""))


def make_vmlinux(
    *alternatives: Alternative, facility_bytes: int = 2, table: bytes | None = None
) -> bytes:
    """The kernel as an ELF file. ``table`` is the table, where it is not to be the right one."""
    code = make_code(*(alternative.code for alternative in alternatives))
    replacements = b"".join(alternative.replacement for alternative in alternatives)
    at, by, entries = TEXT + len(FILLER), REPLACEMENTS, b""
    for alternative in alternatives:
        here = TABLE + len(entries)
        entries += struct.pack(">ii", at - here, by - here - 4)
        entries += bytes(facility_bytes) + bytes([len(alternative.code)])
        at += len(alternative.code) + len(FILLER)
        by += len(alternative.replacement)
    return make_elf(
        ElfSection(".text", code, address=TEXT),
        ElfSection(".altinstructions", entries if table is None else table, ALLOCATED, TABLE),
        ElfSection(".altinstr_replacement", replacements, address=REPLACEMENTS),
        order=">",
        machine=MACHINE,
    )
