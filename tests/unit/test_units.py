"""Sizes round-trip, and what is no size says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadValue
from harness.units import align_down, align_up, format_size, parse_size


@given(st.integers(min_value=0, max_value=1 << 60))
def test_formatting_is_exact(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64K", 65536),
        ("2GiB", 2 << 30),
        ("1GB", 1 << 30),
        ("80MB", 80 << 20),
        ("0x400000000", 16 << 30),
        ("7", 7),
    ],
)
def test_spellings(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "64Q", "-1", "1.5G", "GiB", "0x"])
def test_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("80 Mb", "80M"),
        ("80mib", "80M"),
        ("1.5G", "1536M"),
        ("0.1K", None),
        ("64Q", None),
        ([1], None),
    ],
)
def test_what_is_no_size_says_which_is_meant(text: str, meant: str | None) -> None:
    with pytest.raises(BadValue, match="is not a size") as caught:
        parse_size(text)
    assert caught.value.hint == meant


@pytest.mark.parametrize(
    ("text", "hint"), [("01G", "1G"), ("010M", "10M"), ("08", "8"), ("00", "0"), ("0064KiB", "64K")]
)
def test_a_size_that_may_be_octal_is_none(text: str, hint: str) -> None:
    with pytest.raises(BadValue, match="begins with 0") as caught:
        parse_size(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize("text", ["9" * 5000, "9" * 5000 + "mib", "0x" + "f" * 5000, "0" * 5000])
def test_more_digits_than_python_reads_are_no_size(text: str) -> None:
    with pytest.raises(BadValue, match="is too long for a size") as caught:
        parse_size(text)
    assert len(str(caught.value)) < 100


@given(st.integers(0, 1 << 50), st.sampled_from([1, 4096, 65536, 3 << 20]))
def test_alignment_brackets_the_value(value: int, alignment: int) -> None:
    down, up = align_down(value, alignment), align_up(value, alignment)
    assert down <= value <= up
    assert down % alignment == 0
    assert up % alignment == 0
    assert up - down in (0, alignment)
