"""The ppc64 opcode fix-up: what TCG cannot run is rewritten in a copy of vmlinux.

QEMU's TCG knows ``dcbf`` with L = 0, 1 and 3 only. Kernels use L = 4 (dcbfps) and 6
(dcbstps) for persistent memory (arch/powerpc/include/asm/ppc-opcode.h), and their first
flush of pmem dies as an illegal instruction. With L cleared the same word is a plain
``dcbf``, a stronger flush. QEMU 7.2 also stops at ``phwsync`` and ``plwsync``, forms of
``sync`` that a plain ``sync`` is stronger than; 10.0 runs them. The source tree under test
is never touched, nothing is done under KVM, and a result says when it was done.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass

from harness.errors import UserError

BARRIERS_SINCE = (10, 0)  # the first QEMU seen to run phwsync and plwsync

_L_FIELD = 0x00E00000
_SYNC = 0x7C0004AC
_PHWSYNC = 0x7C8004AC
_PLWSYNC = 0x7CA004AC

# dcbf RA,RB with L = 4 or 6, as big endian bytes: opcode 31, L and any RA, any RB, 0x0AC.
_ANY_RB = b"[" + b"".join(re.escape(bytes([register << 3])) for register in range(32)) + b"]"
_FLUSH_BE = re.compile(rb"\x7c[\x80-\x9f\xc0-\xdf]" + _ANY_RB + rb"\xac", re.DOTALL)
_FLUSH_LE = re.compile(rb"\xac" + _ANY_RB + rb"[\x80-\x9f\xc0-\xdf]\x7c", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fixup:
    """How many words were rewritten: flushes (dcbfps, dcbstps) and barriers (sync forms)."""

    flushes: int
    barriers: int

    @property
    def applied(self) -> bool:
        return self.flushes + self.barriers > 0


def fix_opcodes(image: bytes, *, barriers: bool = False) -> tuple[bytes, Fixup]:
    """A vmlinux that TCG can run, and what was changed in it; pure.

    ``barriers`` is for QEMU older than ``BARRIERS_SINCE``. Only executable sections are
    looked at, word by word in the image's byte order. Raises UserError for no ELF file.
    """
    fixed = bytearray(image)
    little, spans = _executable_spans(image)
    flushes = synced = 0
    for start, end in spans:
        flushes += _fix_flushes(fixed, start, end, little)
        if barriers:
            synced += _fix_barriers(fixed, start, end, little)
    return bytes(fixed), Fixup(flushes, synced)


def _executable_spans(image: bytes) -> tuple[bool, list[tuple[int, int]]]:
    """Whether the file is little endian, and the file offsets of code in it.

    elftools takes as long to import as pydantic, and a kernel is fixed once.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(image))
        spans = [
            (section["sh_offset"], section["sh_offset"] + section["sh_size"])
            for section in elf.iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and section["sh_type"] != "SHT_NOBITS"
        ]
    except ELFError as exc:
        raise UserError(f"kernel image is not an ELF file: {exc}", hint="a vmlinux") from exc
    return bool(elf.little_endian), spans


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
