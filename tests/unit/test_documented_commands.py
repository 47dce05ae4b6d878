"""Every command that the documentation shows: run here, or marked with the reason why not."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
from pathlib import Path

import pytest
from _pytest.config import _prepareconfig

from harness.cli import build_parser, main
from harness.target import load_targets, select_targets
from tests.golden.console_file import DIRECTORY, split_golden
from tests.report.example import write_run
from tests.support.documented import ROOT, Documented, documented_commands, known_reasons, read_page

COMMANDS = tuple(documented_commands())
RUN = [command for command in COMMANDS if command.unrun is None]
MARKED = [command for command in COMMANDS if command.unrun is not None]
RESULTS = (
    *("DIR", "DIR1", "DIR2", "EARLIER", "night", "last-good"),
    *("results/20261120-233152", "results/tonight", "results/last-night"),
)
CONSOLES = ("console.log", "mail", "mail.txt")
_SUBSTITUTED = re.compile(r"\$\([^)]*\)|\$\w+")
_MAKE_TARGET = re.compile(r"^([\w-]+):", re.MULTILINE)


def named(command: Documented) -> str:
    return f"{command.where} {command.text}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A current directory with what the commands name."""
    path = tmp_path_factory.mktemp("documented")
    first = write_run(path / RESULTS[0], ["gup.yaml"], (None,))
    for name in RESULTS[1:]:
        shutil.copytree(first, path / name)
    (path / "tests").symlink_to(ROOT / "tests")
    for name in CONSOLES:
        (path / name).write_bytes(split_golden(DIRECTORY / "ppc64-hash-devdax-crash.txt")[1])
    return path


@pytest.mark.parametrize("command", RUN, ids=named)
def test_a_command_does_what_a_page_says(
    command: Documented, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, read = as_shells_read(command.text)
    # Whatever a page shows of other programs is not for a test to try.
    assert words[0] == "daxhound", f"{command.where} has no reason why it is not run"
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DAXHOUND_CACHE", str(folder / "cache"))
    with (folder / (read or CONSOLES[0])).open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert main(words[1:]) in (0, 1)


def as_shells_read(text: str) -> tuple[list[str], str | None]:
    """The words of the first command of a line, and the file that it reads."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="<>;|")
    lexer.whitespace_split = True
    words = list(lexer)
    read = words[words.index("<") + 1] if "<" in words else None
    return list(itertools.takewhile(lambda word: word[0] not in "<>;|", words)), read


@pytest.mark.parametrize("command", MARKED, ids=named)
def test_a_command_that_is_not_run_is_understood(command: Documented) -> None:
    """Its options are; and what a module or a target of make is called."""
    (program, *words), _ = as_shells_read(_SUBSTITUTED.sub("x", command.text))
    if program == "daxhound":
        assert build_parser().parse_args(words).run
    elif program == "pytest":
        _parse_pytest(words)
    elif program == "python":
        assert _is_module(words[words.index("-m") + 1])
    elif program == "make":
        assert words[0] in _MAKE_TARGET.findall((ROOT / "Makefile").read_text())
    for name in (words[words.index("--arch") + 1],) if "--arch" in words else ():
        assert name == "x" or select_targets([name], load_targets())


def test_every_mark_names_a_test_or_a_reason_of_the_table() -> None:
    reasons = known_reasons()
    for command in MARKED:
        test = ROOT / (command.unrun or "")
        assert command.unrun in reasons or test.is_file(), f"{command.where}: {command.unrun}"
    assert reasons == {command.unrun for command in MARKED if "/" not in (command.unrun or "")}


def test_programs_that_a_line_of_text_names_exist() -> None:
    modules, targets = set(), set()
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        modules |= set(re.findall(r"`(?:\.venv/bin/)?python -m ([\w.]+)", text))
        targets |= set(re.findall(r"`make ([\w-]+)", text))
    assert modules
    assert [module for module in sorted(modules) if not _is_module(module)] == []
    assert targets <= set(_MAKE_TARGET.findall((ROOT / "Makefile").read_text()))


def test_how_a_page_is_read() -> None:
    page = "\n".join(
        (
            "Words, and `daxhound targets` in them.",
            "",
            "<!-- unrun: daxhound qemu: guests; make: host -->",
            "",
            "    $ .venv/bin/daxhound targets      # a remark",
            "    x86_64   what it prints",
            "    daxhound qemu arm64 \\",
            "        --scenario one",
            "    make it",
            "",
            "More words end it.",
            "",
            "    make it",
            "```yaml",
            "pytest: no command",
            "```",
        )
    )
    assert [(found.line, found.text, found.unrun) for found in read_page(page, "page")] == [
        (5, "daxhound targets", None),
        (7, "daxhound qemu arm64 --scenario one", "guests"),
        (9, "make it", "host"),
        (13, "make it", None),
    ]


def _parse_pytest(words: list[str]) -> None:
    config = _prepareconfig(["-p", "no:cacheprovider", *words])
    config._ensure_unconfigure()


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
