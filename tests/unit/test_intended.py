"""The file beside a series: what its author says that it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.records import Intention
from harness.series.intended import load_intentions
from harness.series.patch import Patch, Series

STEPS = ("gup-test", "create-namespace")
GOOD = """\
intended:
  - patch: 2
    scenario: gup-*
    targets: [ppc64-hash]
    step: gup-test
    value: put_us
    becomes: lower
    because: compound pages are put at once
  - step: create-namespace
    value: data_offset
    becomes: 2097152
    because: less is reserved
"""


def series(source: Path) -> Series:
    patches = tuple(Patch(n, f"p{n}", "a", None, b"", (), f"s:{n}") for n in (1, 2))
    return Series("v7", 7, patches, str(source))


def test_a_name_without_room_for_the_suffix_has_no_file_beside_it(tmp_path: Path) -> None:
    assert load_intentions(series(tmp_path / f"{'n' * 249}.patch"), STEPS) == ()


def test_the_file_beside_a_mailbox_is_read(tmp_path: Path) -> None:
    (tmp_path / "v7.expect.yaml").write_text(GOOD)
    where = f"{tmp_path}/v7.expect.yaml"
    assert load_intentions(series(tmp_path / "v7.mbox"), STEPS) == (
        Intention(
            position=2,
            scenario="gup-*",
            targets=("ppc64-hash",),
            step="gup-test",
            value="put_us",
            becomes="lower",
            because="compound pages are put at once",
            where=f"{where}:2",
        ),
        Intention(
            position=1,
            scenario="*",
            targets=None,
            step="create-namespace",
            value="data_offset",
            becomes=2097152,
            because="less is reserved",
            where=f"{where}:9",
        ),
    )


@pytest.mark.parametrize("name", ["v7.mbox.gz", "v7.patch", "v7.gz", "v7"])
def test_a_packed_series_has_the_file_of_what_is_packed(tmp_path: Path, name: str) -> None:
    (tmp_path / "v7.expect.yaml").write_text(GOOD)
    assert len(load_intentions(series(tmp_path / name), STEPS)) == 2


def test_a_folder_has_it_inside(tmp_path: Path) -> None:
    (tmp_path / "expect.yaml").write_text(GOOD)
    assert len(load_intentions(series(tmp_path), STEPS)) == 2


def test_a_series_without_one_intends_nothing(tmp_path: Path) -> None:
    assert load_intentions(series(tmp_path / "v7.mbox"), STEPS) == ()


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("patch: 2", "patch: 3", ["expect.yaml:2", "patch", "2 patches", "1 to 2"]),
        ("step: gup-test", "step: gup-tset", ["expect.yaml:5", "'gup-tset'", "'gup-test'"]),
        ("value: put_us", "valeu: put_us", ["expect.yaml:6", "valeu", "no such field", "value"]),
    ],
)
def test_mistakes_have_a_place_and_a_remedy(
    tmp_path: Path, wrong: str, right: str, words: list[str]
) -> None:
    (tmp_path / "expect.yaml").write_text(GOOD.replace(wrong, right))
    with pytest.raises(UserError) as caught:
        load_intentions(series(tmp_path), STEPS)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_intentions(series(tmp_path), STEPS, tmp_path / "nothing.yaml")
