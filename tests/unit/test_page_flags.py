"""What /proc/kpageflags says of a page, as od(1) prints it."""

from __future__ import annotations

import pytest

from harness.observe.page_flags import read_page_flags


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (" 0000000000000400\n", "page"),
        (" 0000000000100000\n", "no-page"),
        ("", "nothing"),
        ("\n", "nothing"),
    ],
)
def test_a_page_is_there_or_is_not_or_the_file_ends_before(text: str, told: str) -> None:
    assert read_page_flags(text) == told
