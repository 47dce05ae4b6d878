"""s390x: returns from the kernel that do not go by way of the lowcore.

Without facility 193 (BEAR enhancement), which QEMU's TCG lacks, a return to what was interrupted
is a branch to a word of the lowcore. That word is an lpswe of a PSW beside it; it stands there for
the breaking-event address, the last branch's, which is then none of the kernel's own. TCG drops
all that it has translated of the lowcore with each interrupt and each system call, since these
write to that page, and so translates the word anew with each return: 0.1 ms of every system call
and page fault. An lpswe of the same PSW in the branch's own place loads the same PSW. What differs
is the breaking-event address: a report of a fault shows the return's own in place of 0x400.

Where these branches are is told by the kernel's table of alternatives: one of them is what lpswey
takes the place of where there is facility 193. A branch, a replacement or an image of any other
form is left as it is. Sources: arch/s390/kernel/entry.S (LPSWEY), include/asm/alternative.h and
include/asm/lowcore.h of Linux 6.1; z/Architecture Principles of Operation for the formats.
"""

from __future__ import annotations

import re
import struct

from harness.machine.elf_sections import ElfFile, NoElfError, Section, read_elf

_TABLE = ".altinstructions"
_REPLACEMENTS = ".altinstr_replacement"

# Each entry begins with the distances from these two fields to the code and to its replacement,
# and ends with the length of both. The facility is between, in two bytes (6.1) or four (6.12).
# No size of these is twice another, so that one table fits one of them.
_ENTRY_BYTES = range(10, 20)
_DISTANCES = struct.Struct(">ii")

_RETURN_BYTES = 6
# b D(0,0); nopr: a branch into the first page, which is the lowcore.
_BRANCH = re.compile(rb"\x47\xf0[\x00-\x0f].\x07\x00", re.DOTALL)
# lpswey D(0) with a D of 12 bits, all that lpswe has room for. A relocated lowcore is further up.
_LPSWEY = re.compile(rb"\xeb\x00([\x00-\x0f].)\x00\x71", re.DOTALL)
_LPSWE, _NOPR = b"\xb2\xb2", b"\x07\x00"


def rewrite_returns(image: bytes, vmlinux: bytes) -> tuple[bytes, int]:
    """The image with its returns rewritten, and how many of them.

    The image is what ``vmlinux`` was made into. Where the kernel in it is not packed, a section of
    code is in it once and whole, wherever that may be; in any other it is left as it is.
    """
    try:
        elf = read_elf(vmlinux)
    except NoElfError:
        return image, 0
    fixed = bytearray(image)
    returns = _find_returns(vmlinux, elf)
    changed = 0
    for section in elf.code:
        inside = {at: word for at, word in returns.items() if section.offset <= at < section.end}
        start = _only_place(image, vmlinux[section.offset : section.end]) if inside else None
        if start is None:
            continue
        for at, word in inside.items():
            place = start + at - section.offset
            fixed[place : place + _RETURN_BYTES] = word
        changed += len(inside)
    return bytes(fixed), changed


def _find_returns(vmlinux: bytes, elf: ElfFile) -> dict[int, bytes]:
    """Where the branches are in the file, and what comes in their place."""
    named = {section.name: section for section in elf.sections}
    if _TABLE not in named or _REPLACEMENTS not in named:
        return {}
    table, replacements = named[_TABLE], named[_REPLACEMENTS]
    for size in _ENTRY_BYTES:
        pairs = _read_table(vmlinux, table, elf.code, replacements, size)
        if pairs is not None:
            return {at: word for at, by in pairs if (word := _rewritten(vmlinux, at, by))}
    return {}


def _read_table(
    vmlinux: bytes, table: Section, code: tuple[Section, ...], replacements: Section, size: int
) -> list[tuple[int, int]] | None:
    """The file offsets of code and replacement, of all entries of that size.

    None if one leads out of where it must lead to: then they have another size.
    """
    if table.size % size:
        return None
    pairs = []
    for entry in range(0, table.size, size):
        to_code, to_replacement = _DISTANCES.unpack_from(vmlinux, table.offset + entry)
        address = table.address + entry
        length = vmlinux[table.offset + entry + size - 1]
        by = replacements.offset_of(address + 4 + to_replacement, length)
        found = (section.offset_of(address + to_code, length) for section in code)
        at = next((offset for offset in found if offset is not None), None)
        if at is None or by is None:
            return None
        if length == _RETURN_BYTES:
            pairs.append((at, by))
    return pairs


def _rewritten(vmlinux: bytes, at: int, by: int) -> bytes | None:
    branch, replacement = vmlinux[at : at + _RETURN_BYTES], vmlinux[by : by + _RETURN_BYTES]
    psw = _LPSWEY.fullmatch(replacement)
    return _LPSWE + psw[1] + _NOPR if psw and _BRANCH.fullmatch(branch) else None


def _only_place(image: bytes, code: bytes) -> int | None:
    at = image.find(code)
    return at if at >= 0 and image.find(code, at + 1) < 0 else None
