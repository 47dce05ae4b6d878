"""An image with a kernel packed in it by gzip, as x86 and s390 have: taken apart, and put together.

What comes of the same gzip is the same to the byte: the kernel's build calls it as is done here.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass

from harness.gunzip import MAGIC, gunzip

# scripts/Makefile.lib: cmd_gzip.
_PACK = ("gzip", "-n", "-f", "-9")
_EQUAL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class PackedImage:
    """``around`` is what stands before and after the packed kernel, ``at`` where that is."""

    around: bytes
    at: int
    kernel: bytes


def take_apart(image: bytes) -> PackedImage | None:
    """None for an image with nothing packed in it, or that this host's gzip would make another."""
    at = image.find(MAGIC)
    unpacked = gunzip(image[at:]) if at >= 0 else None
    if unpacked is None:
        return None
    kernel, after = unpacked
    return PackedImage(image[:at] + after, at, kernel) if _packs_alike(kernel, image[at:]) else None


def put_together(image: PackedImage) -> bytes:
    """The image. Raises OSError where there is no gzip."""
    return image.around[: image.at] + _pack(image.kernel) + image.around[image.at :]


def _packs_alike(kernel: bytes, packed: bytes) -> bool:
    """By how it begins: packing all of it takes seconds."""
    with tempfile.TemporaryFile() as file:
        file.write(kernel)
        file.seek(0)
        try:
            with subprocess.Popen(_PACK, stdin=file, stdout=subprocess.PIPE) as packing:
                assert packing.stdout is not None
                begin = packing.stdout.read(_EQUAL_BYTES)
                packing.kill()
        except OSError:
            return False
    return bool(begin) and packed.startswith(begin)


def _pack(data: bytes) -> bytes:
    done = subprocess.run(_PACK, input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise OSError(f"gzip failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
