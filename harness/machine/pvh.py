"""The vmlinux inside of an x86 bzImage, which QEMU starts at once where it has a PVH entry.

Without it an emulated CPU goes through the BIOS's way of loading a kernel and then unpacks it:
half a second of a boot of one and a half. Sources: Documentation/arch/x86/boot.rst of Linux 6.1
for the header, arch/x86/platform/pvh/head.S for the note, hw/i386/x86-common.c of QEMU 10.0 for
what it starts.
"""

from __future__ import annotations

import io
import struct

from harness.gunzip import MAGIC, gunzip

_MAGIC_AT, _MAGIC = 0x202, b"HdrS"
_PAYLOAD_SINCE = 0x0208  # the header's version that has payload_offset and payload_length
_SETUP_SECTORS_AT, _VERSION_AT, _PAYLOAD_AT = 0x1F1, 0x206, 0x248
_SECTOR = 512
_ENTRY_NOTE: tuple[object, object] = ("Xen", 18)  # XEN_ELFNOTE_PHYS32_ENTRY


def startable_vmlinux(image: bytes) -> bytes | None:
    """What is packed in a bzImage, where QEMU can start it; else None, as for no bzImage.

    Kernels packed by gzip alone are unpacked: those of the fragments are.
    """
    payload = _payload(image)
    if payload is None or not payload.startswith(MAGIC):
        return None
    unpacked = gunzip(payload)
    return unpacked[0] if unpacked is not None and _has_entry(unpacked[0]) else None


def _payload(image: bytes) -> bytes | None:
    if len(image) < _PAYLOAD_AT + 8 or image[_MAGIC_AT : _MAGIC_AT + 4] != _MAGIC:
        return None
    (version,) = struct.unpack_from("<H", image, _VERSION_AT)
    if version < _PAYLOAD_SINCE:
        return None
    protected = (image[_SETUP_SECTORS_AT] + 1) * _SECTOR
    offset, length = struct.unpack_from("<II", image, _PAYLOAD_AT)
    return image[protected + offset : protected + offset + length]


def _has_entry(vmlinux: bytes) -> bool:
    """Imports as ``opcodes.py`` does: a kernel is unpacked once."""
    from elftools.common.exceptions import ELFError
    from elftools.construct import ConstructError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import NoteSegment

    try:
        notes = (
            note
            for segment in ELFFile(io.BytesIO(vmlinux)).iter_segments()
            if isinstance(segment, NoteSegment)
            for note in segment.iter_notes()
        )
        return any((note["n_name"], note["n_type"]) == _ENTRY_NOTE for note in notes)
    except (ELFError, ConstructError, ValueError, OverflowError):
        return False
