"""YAML that says what nobody reads: an error with file, line and field, in bounded time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.yaml_document import load_documents

# Nine lists of ten aliases each: a thousand million values.
_LAUGHS = "first: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def error_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_documents(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("!!python/object:os.system x", "steps.0: 'x' is no !!python/object:os.system"),
        ("!mine x", "steps.0: 'x' is no !mine"),
        ("!!int x", "steps.0: 'x' is no !!int"),
        ("9" * 5000, f"steps.0: '{'9' * 80}' is no !!int"),
        ("0x" + "f" * 5000, f"steps.0: '0x{'f' * 78}' is no !!int"),
        ("!!bool x", "steps.0: 'x' is no !!bool"),
        ("!!timestamp x", "steps.0: 'x' is no !!timestamp"),
        ("2026-99-99", "steps.0: '2026-99-99' is no !!timestamp"),
        ("&a [*a]", "nested deeper than 32 times"),
        ("[" * 50 + "]" * 50, "nested deeper than 32 times"),
        ("[" * 100_000, "not YAML: exceeded maximum nesting depth"),
    ],
)
def test_a_value_that_is_none_is_named(tmp_path: Path, value: str, said: str) -> None:
    error = error_of(tmp_path, f"scenario: x\nsteps:\n  - {value}\n")
    assert error.endswith(f"some.yaml:3: {said}")


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a: 1\nb:\n\tc: 1\n", 3, "spaces in the place of the tab"),
        ("a: 1\n  \tb: 1\n", 2, "spaces in the place of the tab"),
        ("a: probe: it\nb: 1\n", 1, "quotes around what stands behind the first colon"),
        ("a:1\nb: 1\n", 2, "a space behind the colon of line 1"),
        ("a:\n  b: 1\n\n   c: 1\n", 4, "as many spaces before it as before line 2: 2"),
        ("a:\n    b: 1\n  c: 1\n", 3, "as many spaces before it as before line 2: 4"),
        ("a:\n  - b:\n - c:\n", 3, "as many spaces before it as before line 2: 2"),
        ("a:\n  - b: {x: 1}\n  -c: {x: 1}\n", 3, "a space behind the -"),
        ("a: {b: 1\nc: 1\n", 2, "the end of what line 1 opens with a quote or bracket"),
        ('a: 1\nb: "x\nc: 1\n', 4, "the end of what line 2 opens with a quote or bracket"),
        ("a: @b\n", 1, None),
    ],
)
def test_what_is_no_yaml_is_told_with_what_would_be(
    tmp_path: Path, text: str, line: int, hint: str | None
) -> None:
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(UserError, match="not YAML: ") as caught:
        load_documents(tmp_path / "some.yaml")
    assert (caught.value.line, caught.value.hint) == (line, hint)


def test_few_words_that_stand_for_a_thousand_million_are_refused(tmp_path: Path) -> None:
    assert "stands for more than 100000 values" in error_of(tmp_path, _LAUGHS)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_bytes("scenario: x\nsummary: gr\u00fcn\n".encode("latin1"))
    with pytest.raises(UserError) as caught:
        load_documents(path)
    assert str(caught.value) == f"{path}:2: byte 0xfc is not UTF-8\n  try: the file saved as UTF-8"


@given(st.text(max_size=20), st.text("![]{}&*:-\"' \n", max_size=12))
def test_whatever_stands_there_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, word: str, marks: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(f"a: {marks}{word}", encoding="utf-8", errors="replace")
    with suppress(UserError):
        load_documents(path)
