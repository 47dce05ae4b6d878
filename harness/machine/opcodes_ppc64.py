"""ppc64: flushes of persistent memory, and barriers, in words that TCG knows.

QEMU's TCG knows ``dcbf`` with L = 0, 1 and 3 only. Kernels use L = 4 (dcbfps) and 6
(dcbstps) for persistent memory (arch/powerpc/include/asm/ppc-opcode.h), and their first
flush of pmem dies as an illegal instruction. With L cleared the same word is a plain
``dcbf``, a stronger flush. QEMU 7.2 also stops at ``phwsync`` and ``plwsync``, forms of
``sync`` that a plain ``sync`` is stronger than; 10.0 runs them.
"""

from __future__ import annotations

import re
import struct

from harness.errors import UserError
from harness.machine.elf_sections import NoElfError, read_elf

BARRIERS_SINCE = (10, 0)  # the first QEMU seen to run phwsync and plwsync

_L_FIELD = 0x00E00000
_SYNC = 0x7C0004AC
_PHWSYNC = 0x7C8004AC
_PLWSYNC = 0x7CA004AC

# dcbf RA,RB with L = 4 or 6, as big endian bytes: opcode 31, L and any RA, any RB, 0x0AC.
_ANY_RB = b"[" + b"".join(re.escape(bytes([register << 3])) for register in range(32)) + b"]"
_FLUSH_BE = re.compile(rb"\x7c[\x80-\x9f\xc0-\xdf]" + _ANY_RB + rb"\xac", re.DOTALL)
_FLUSH_LE = re.compile(rb"\xac" + _ANY_RB + rb"[\x80-\x9f\xc0-\xdf]\x7c", re.DOTALL)


def rewrite_flushes(image: bytes, *, barriers: bool = False) -> tuple[bytes, int, int]:
    """A vmlinux that TCG can run, and how many flushes and barriers were changed in it.

    ``barriers`` is for QEMU older than ``BARRIERS_SINCE``. Only executable sections are
    looked at, word by word in the image's byte order. Raises UserError for no ELF file.
    """
    try:
        elf = read_elf(image)
    except NoElfError as exc:
        raise UserError(f"kernel image is not an ELF file: {exc}", hint="a vmlinux") from exc
    fixed = bytearray(image)
    flushes = synced = 0
    for section in elf.code:
        flushes += _fix_flushes(fixed, section.offset, section.end, elf.little_endian)
        if barriers:
            synced += _fix_barriers(fixed, section.offset, section.end, elf.little_endian)
    return bytes(fixed), flushes, synced


def _fix_flushes(image: bytearray, start: int, end: int, little: bool) -> int:
    word = struct.Struct("<I" if little else ">I")
    pattern = _FLUSH_LE if little else _FLUSH_BE
    # No two matches overlap: a match's first byte fits at none of its other places.
    hits = [match.start() for match in pattern.finditer(image, start, end)]
    aligned = [offset for offset in hits if (offset - start) % 4 == 0]
    for offset in aligned:
        (value,) = word.unpack_from(image, offset)
        word.pack_into(image, offset, value & ~_L_FIELD)
    return len(aligned)


def _fix_barriers(image: bytearray, start: int, end: int, little: bool) -> int:
    word = struct.Struct("<I" if little else ">I")
    changed = 0
    for barrier in (word.pack(_PHWSYNC), word.pack(_PLWSYNC)):
        offset = image.find(barrier, start, end)
        while offset != -1:
            if (offset - start) % 4 == 0:
                word.pack_into(image, offset, _SYNC)
                changed += 1
            offset = image.find(barrier, offset + 1, end)
    return changed
