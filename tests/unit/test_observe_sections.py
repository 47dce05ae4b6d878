"""Script output taken apart, counters, and errors by name."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.errno_names import errno_name, find_errno
from harness.observe.sections import (
    MARKER,
    parse_attributes,
    read_integer,
    split_sections,
)
from harness.observe.vmstat import counter_change, parse_meminfo, parse_vmstat

NAME = st.from_regex(r"[a-z][a-z_.0-9]{0,10}", fullmatch=True)
LINES = st.lists(st.from_regex(r"[a-z =0-9]{0,20}", fullmatch=True), max_size=5)


@given(st.dictionaries(NAME, LINES, max_size=5))
def test_sections_come_back_as_they_were_printed(sections: dict[str, list[str]]) -> None:
    printed = "".join(
        f"{MARKER}{name}\n" + "".join(f"{line}\n" for line in lines)
        for name, lines in sections.items()
    )
    wanted = {name: "".join(f"{line}\n" for line in lines) for name, lines in sections.items()}
    assert split_sections(printed) == {"": "", **wanted}


def test_marker_in_the_middle_of_a_line_is_text() -> None:
    assert split_sections(f"echo {MARKER}x\n") == {"": f"echo {MARKER}x\n"}


def test_section_that_comes_again_goes_on() -> None:
    text = f"{MARKER}a\n1\n{MARKER}b\n2\n{MARKER}a\n3\n"
    assert split_sections(text)["a"] == "1\n3\n"


def test_attributes_keep_what_stands_behind_the_first_equals_sign() -> None:
    assert parse_attributes("a=1\nno\nb = x=y \n") == {"a": "1", "b": "x=y"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("0x400000000", 1 << 34), (" 65536\n", 65536), ("", None), (None, None), ("0x", None)],
)
def test_number_as_sysfs_prints_it(text: str | None, value: int | None) -> None:
    assert read_integer(text) == value


def test_vmstat_takes_counters_and_nothing_else() -> None:
    text = "nr_foll_pin_acquired 65520\nfoo\nbar baz\nnr_x -3\n"
    assert parse_vmstat(text) == {"nr_foll_pin_acquired": 65520, "nr_x": -3}


def test_change_of_a_counter_that_is_not_there_is_unknown_not_zero() -> None:
    assert counter_change({"a": 1}, {"a": 5}, "a") == 4
    assert counter_change({"a": 1}, {}, "a") is None
    assert counter_change({}, {"a": 1}, "a") is None


def test_meminfo_is_bytes_where_it_says_kilobytes() -> None:
    text = "Hugepagesize:      16384 kB\nHugePages_Total:       4\nVmFlags: rd wr\n"
    assert parse_meminfo(text) == {"Hugepagesize": 16 << 20, "HugePages_Total": 4}


@pytest.mark.parametrize("number", [1, 2, 5, 6, 12, 14, 16, 19, 22, 28, 95])
def test_words_of_the_c_library_are_known(number: int) -> None:
    """The guest's C library is glibc in the C locale, and so is that of the host here."""
    name = errno_name(number)
    assert name is not None
    assert find_errno(f"mmap: {os.strerror(number)}") == name


def test_last_error_of_a_message_counts_and_the_longest_words_win() -> None:
    assert find_errno("x: Invalid argument; y: No space left on device") == "ENOSPC"
    assert find_errno("No such device or address") == "ENXIO"
    assert find_errno("No such device") == "ENODEV"
    assert find_errno("all is well") is None
    assert errno_name(4095) is None
