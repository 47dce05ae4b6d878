"""What gzip packed, found with other things behind it, and bounded."""

from __future__ import annotations

import zlib

MAGIC = b"\x1f\x8b\x08"
_WINDOW = 31  # zlib.decompressobj: the largest window, with gzip's header
_LARGEST_BYTES = 512 << 20  # of a kernel; what unpacks to more was made to


def gunzip(data: bytes) -> tuple[bytes, bytes] | None:
    """What is packed at the start of the data, and what stands behind it.

    None for what is not packed by gzip, is damaged, cut short, or too large to be a kernel.
    """
    unpacking = zlib.decompressobj(_WINDOW)
    try:
        content = unpacking.decompress(data, _LARGEST_BYTES)
    except zlib.error:
        return None
    return (content, unpacking.unused_data) if unpacking.eof else None
