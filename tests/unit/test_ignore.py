"""Ignore lists: what an entry covers, what it must say, and what is never ignored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.ignore import NOTHING_IGNORED, IgnoreList, load_ignore_list
from harness.records import KernelReport

WARNING = KernelReport(
    kind="warning",
    title="WARNING in foo_probe",
    function="foo_probe",
    severity="warning",
    first_line=3,
    last_line=9,
    fingerprint="0123456789abcdef",
    text="",
)


def load(tmp_path: Path, text: str) -> IgnoreList:
    path = tmp_path / "ignore.yaml"
    path.write_text(text)
    return load_ignore_list(path)


def test_nothing_is_ignored_by_default() -> None:
    assert NOTHING_IGNORED.heeded([WARNING]) == (WARNING,)


@pytest.mark.parametrize(
    "entry",
    [
        "function: foo_probe",
        "{function: foo_probe, kind: warning}",
        'fingerprint: "0123456789abcdef"',
        "title: WARNING in foo_.*",
    ],
)
def test_entry_covers_what_is_all_that_it_says(tmp_path: Path, entry: str) -> None:
    fields = entry.strip("{}")
    ignored = load(tmp_path, f"ignore:\n  - {{reason: known, {fields}}}\n")
    other = replace(
        WARNING, title="WARNING in bar", function="bar", fingerprint="ffff", kind="oops"
    )
    assert ignored.heeded([WARNING, other]) == (other,)


def test_every_field_of_an_entry_counts(tmp_path: Path) -> None:
    ignored = load(tmp_path, "ignore: [{reason: known, function: foo_probe, kind: kasan}]")
    assert ignored.heeded([WARNING]) == (WARNING,)


def test_what_ends_the_kernel_is_never_ignored(tmp_path: Path) -> None:
    ignored = load(tmp_path, "ignore: [{reason: known, function: foo_probe}]")
    fatal = replace(WARNING, severity="fatal")
    assert ignored.heeded([fatal]) == (fatal,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ignore:\n  - {function: foo}\n", "ignore.yaml:2: ignore.0"),
        ("ignore:\n  - {function: foo, reason: ' '}\n", "a reason says why"),
        ("ignore:\n  - {reason: known, kind: oops}\n", "needs a title, a function or a finger"),
        ("ignore:\n  - {reason: known, title: '('}\n", "no regular expression"),
        ("ignore:\n  - {reason: known, funktion: foo}\n", "try: 'function'"),
    ],
)
def test_bad_entry_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert "ignore.yaml:2" in str(caught.value)
