"""What the kernel says of an nvdimm's label area, where it was asked to (dynamic debug)."""

from __future__ import annotations

import re

_BROKEN = re.compile(r"\b(nmem\d+): nsindex(\d) signature invalid")


def broken_index_blocks(messages: str) -> dict[str, tuple[int, ...]]:
    """By nvdimm, the index blocks that it found to be none (label.c, __nd_label_validate)."""
    found: dict[str, set[int]] = {}
    for match in _BROKEN.finditer(messages):
        found.setdefault(match[1], set()).add(int(match[2]))
    return {dimm: tuple(sorted(blocks)) for dimm, blocks in found.items()}
