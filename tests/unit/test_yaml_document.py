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
