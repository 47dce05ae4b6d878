"""docs/troubleshooting.md quotes messages that the harness has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import build_parser
from harness.manpage import render_manpage

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
ANYTHING = "\0"


def texts() -> Iterator[str]:
    """Every text in the harness's source; ANYTHING stands for what is put into it."""
    for path in sorted((ROOT / "harness").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield _on_one_line(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (v.value if isinstance(v, ast.Constant) else ANYTHING for v in node.values)
                yield _on_one_line("".join(map(str, parts)))


def _on_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


TEXTS = tuple(texts())


def is_message(quoted: str) -> bool:
    """Whether one text of the source has all that is quoted between the ellipses, in order."""
    parts = [re.escape(part) for part in quoted.split("...") if part.strip()]
    pattern = re.compile(".*".join(parts), re.DOTALL)
    return any(pattern.search(text) for text in TEXTS)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_that_is_explained_exists(message: str) -> None:
    assert is_message(message)


def test_a_message_is_explained_once_and_has_words_to_be_found_by() -> None:
    assert len(MESSAGES) > 40
    assert len(set(MESSAGES)) == len(MESSAGES)
    assert all(len(message.replace("...", "").strip()) >= 9 for message in MESSAGES)


def test_a_message_that_nobody_prints_is_found_out() -> None:
    assert is_message("no such kernel: ...")
    assert not is_message("no such colonel: ...")
    assert not is_message("no such kernel: ... in the pantry")


def test_options_that_are_to_help_exist(pytestconfig: pytest.Config) -> None:
    commands = set(re.findall(r"--[a-z][\w-]+", render_manpage(build_parser()).replace("\\-", "-")))
    for option in set(re.findall(r"`(?:daxhound [a-z]+ )?(--?[a-z][\w-]*)", PAGE)) - commands:
        pytestconfig.getoption(option)  # ValueError for one that pytest does not have
