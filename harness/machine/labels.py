"""The label area of an nvdimm in its backing file, which is the last part of it.

UEFI 2.10, 13.19; which slots the kernel has room for is in ``harness/scenario/label_area.py``.
"""

from __future__ import annotations

import struct
from pathlib import Path

from harness.records import PmemDevice
from harness.scenario.label_area import LABEL_BYTES, index_bytes, label_slots
from harness.scenario.life_steps import LabelPart
from harness.units import align_up

_RUBBISH = b"\x5a"
_SIGNATURE = b"NAMESPACE_INDEX\0"
# Flags, the label's size in units of 256 bytes, sequence number, where this block is and its size,
# where the other one and the labels are, slots, version, checksum.
_INDEX = struct.Struct("<16s3xBIQQQQIHHQ")
_VERSION = (1, 2)
_WORD = (1 << 32) - 1
_FIRST_SEQUENCE = 3  # counts 1, 2, 3, 1 ...; ndctl gives the first block 3, the second 2


def initialise_labels(backing: Path, device: PmemDevice) -> None:
    """Write what ``ndctl init-labels --label-version=1.2`` does: no label yet. Raises OSError.

    ndctl takes half a second of a guest for it. Left to itself it writes version 1.1, on which a
    BTT begins 4K later than on that of 1.2, which pseries starts with (drivers/nvdimm/btt_devs.c,
    nd_btt_version).
    """
    with backing.open("r+b") as file:
        file.seek(device.size_bytes)
        file.write(index_blocks(device.label_bytes))


def index_blocks(area: int) -> bytes:
    """Both index blocks of a label area of so many bytes, all slots free."""
    size, slots = index_bytes(area), label_slots(area)
    # Of the last word bits without a slot as well, as ndctl does (tests/guest/test_labels.py).
    free = ((1 << align_up(slots, 64)) - 1).to_bytes(size - _INDEX.size, "little")
    blocks = []
    for index in range(2):
        at, other = index * size, (1 - index) * size
        sequence = _FIRST_SEQUENCE - index
        fields = (_SIGNATURE, LABEL_BYTES >> 8, sequence, at, size, other, 2 * size, slots)
        unsigned = _INDEX.pack(*fields, *_VERSION, 0) + free
        blocks.append(_INDEX.pack(*fields, *_VERSION, _fletcher64(unsigned)) + free)
    return b"".join(blocks)


def _fletcher64(data: bytes) -> int:
    """nd_fletcher64 of drivers/nvdimm/core.c, of little endian words."""
    low = high = 0
    for (word,) in struct.iter_unpack("<I", data):
        low = (low + word) & _WORD
        high = (high + low) & _WORD
    return high << 32 | low


def damage_labels(backing: Path, device: PmemDevice, part: LabelPart) -> None:
    """Overwrite a part of the label area, which QEMU has at the file's end. Raises OSError."""
    start, size = _place(part, device.label_bytes)
    with backing.open("r+b") as file:
        file.seek(device.size_bytes + start)
        file.write(_RUBBISH * size)


def _place(part: LabelPart, area: int) -> tuple[int, int]:
    """Where a part starts in an area of so many bytes, and its size."""
    index = index_bytes(area)
    places = {
        "index-0": (0, index),
        "index-1": (index, index),
        "first-half": (0, area // 2),
        "second-half": (area // 2, area - area // 2),
    }
    return places[part]
