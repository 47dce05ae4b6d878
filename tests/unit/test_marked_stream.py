"""A command's part of a stream that goes on, in whatever pieces it comes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.output import MarkedStream

MARK = "0123456789abcdef"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@given(st.binary(), st.integers(0, 255), st.lists(st.integers(0), max_size=6))
def test_all_before_the_mark_is_the_commands_however_it_is_cut(
    said: bytes, status: int, cuts: list[int]
) -> None:
    stream = MarkedStream(MARK)
    for piece in pieces(said + f"\n{MARK} {status}\n".encode(), cuts):
        stream.add(piece)
    assert stream.status == status
    assert stream.content.text() == said.decode(errors="backslashreplace")


@given(st.binary())
def test_nothing_has_ended_without_a_mark(said: bytes) -> None:
    stream = MarkedStream(MARK)
    stream.add(said)
    assert stream.status is None


@pytest.mark.parametrize("almost", [b"0123456789abcdef 0\n", b"\n0123456789abcdef\n", b"\n0123"])
def test_what_only_looks_like_the_mark_is_the_commands(almost: bytes) -> None:
    stream = MarkedStream(MARK)
    stream.add(almost)
    stream.add(f"\n{MARK} 7\n".encode())
    assert (stream.status, stream.content.text()) == (7, almost.decode())


def test_what_comes_after_the_end_is_nobodys() -> None:
    stream = MarkedStream(MARK)
    stream.add(f"mine\n{MARK} 0\nof a process left behind".encode())
    stream.add(b"and more of it")
    assert stream.content.text() == "mine"


def test_of_more_than_the_limit_the_rest_is_counted() -> None:
    stream = MarkedStream(MARK, limit=4)
    for _ in range(100):
        stream.add(b"abcdefghij")
    stream.add(f"\n{MARK} 0\n".encode())
    assert stream.content.text() == "abcd\n[daxhound: 996 more bytes were dropped]\n"
