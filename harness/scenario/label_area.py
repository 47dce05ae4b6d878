"""How a label area is divided: two index blocks, and behind them as many labels as fit.

By the kernel's arithmetic (drivers/nvdimm/label.c): the slots that fit are counted beside index
blocks with a bit for each that there would be without them; an index block then has a bit for
each that fits.
"""

from __future__ import annotations

from harness.units import align_up

LABEL_BYTES = 256
"""Of version 1.2; the kernel looks for those of 128 first (nd_label_validate)."""

INDEX_HEAD_BYTES = 72
"""What an index block has before its bits (struct nd_namespace_index)."""

OLD_LABEL_BYTES = 128
_INDEX_ALIGN = 256


def label_slots(area: int, label: int = LABEL_BYTES) -> int:
    """How many labels an area of so many bytes has room for (nvdimm_num_label_slots)."""
    return (area - 2 * _index_of(area // label)) // label


def index_bytes(area: int, label: int = LABEL_BYTES) -> int:
    """The size of each of its two index blocks (sizeof_namespace_index)."""
    return _index_of(label_slots(area, label))


def _index_of(slots: int) -> int:
    return align_up(INDEX_HEAD_BYTES + -(-slots // 8), _INDEX_ALIGN)
