"""Images with a kernel packed in them, taken apart and put together by the host's gzip."""

from __future__ import annotations

import gzip
import random
import subprocess

import pytest

from harness.kernel.packed_image import put_together, take_apart

KERNEL = random.Random(3).randbytes(300_000) * 6
PACKED = subprocess.run(["gzip", "-n", "-9"], input=KERNEL, capture_output=True, check=True).stdout


@pytest.mark.parametrize("before", [b"", b"setup" * 100])
@pytest.mark.parametrize("after", [b"", b"table of pages"])
def test_what_was_taken_apart_is_put_together(before: bytes, after: bytes) -> None:
    image = before + PACKED + after
    parts = take_apart(image)
    assert parts is not None
    assert parts.kernel == KERNEL
    assert parts.around == before + after
    assert put_together(parts) == image


@pytest.mark.parametrize(
    "image",
    [
        b"Image",
        b"setup" + PACKED[:-9],
        b"setup" + PACKED[:50] + bytes(50) + PACKED[100:],
        gzip.compress(KERNEL, 1),
    ],
    ids=["nothing packed", "cut short", "damaged", "packed by another"],
)
def test_what_would_not_come_out_is_left_alone(image: bytes) -> None:
    assert take_apart(image) is None


def test_without_a_gzip_nothing_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert take_apart(PACKED) is None
