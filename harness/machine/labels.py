"""The label area of an nvdimm in its backing file, for whoever damages it.

UEFI 2.10, 13.19: two index blocks, and behind them as many slots for labels as fit.
"""

from __future__ import annotations

from pathlib import Path

from harness.records import PmemDevice
from harness.scenario.life_steps import LabelPart
from harness.units import align_up

_LABEL_BYTES = 256  # of version 1.2
_INDEX_HEADER_BYTES = 72
_INDEX_ALIGN = 256
_RUBBISH = b"\x5a"


def damage_labels(backing: Path, device: PmemDevice, part: LabelPart) -> None:
    """Overwrite a part of the label area, which QEMU has at the file's end. Raises OSError."""
    start, size = _place(part, device.label_bytes)
    with backing.open("r+b") as file:
        file.seek(device.size_bytes + start)
        file.write(_RUBBISH * size)


def _place(part: LabelPart, area: int) -> tuple[int, int]:
    """Where a part starts in an area of so many bytes, and its size."""
    index = _index_bytes(area)
    places = {
        "index-0": (0, index),
        "index-1": (index, index),
        "first-half": (0, area // 2),
        "second-half": (area // 2, area - area // 2),
    }
    return places[part]


def _index_bytes(area: int) -> int:
    """An index block has a bit for each slot, of which a few are more than will fit."""
    slots = area // _LABEL_BYTES
    return align_up(_INDEX_HEADER_BYTES + -(-slots // 8), _INDEX_ALIGN)
