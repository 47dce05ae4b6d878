"""Commands that the documentation shows, and what it says of those that no test runs.

A command stands in an indented block or a fenced one, and begins with a program that people
type. ``<!-- unrun: REASON -->`` before a block says why no test runs its commands;
``<!-- unrun: PREFIX: REASON; PREFIX: REASON -->`` says so of those that begin with a prefix. A
reason is a word of the table in CONTRIBUTING.md, or the path of a test that does the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_PROGRAMS = r"make|pytest|daxhound|python|pip|dask|git|b4|apt-get|DAXHOUND_\w+=\S+|qemu-system-\S+"
_COMMAND = re.compile(rf"(?:\$ )?(?:\.venv/bin/)?(?:{_PROGRAMS})(?: |$)")
_PROMPT = re.compile(r"^\$ ")
_REMARK = re.compile(r"\s+# .*$")
_UNRUN = re.compile(r"<!-- unrun: (.+?) -->")
_REASON = re.compile(r"^\| `([\w-]+)` \| ", re.MULTILINE)
_REASONS_BEGIN = "Why no test runs a command"


@dataclass(frozen=True, slots=True)
class Documented:
    """A command as a page shows it, without its prompt and remark; ``unrun`` is why not."""

    page: str
    line: int
    text: str
    unrun: str | None

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def documented_commands() -> Iterator[Documented]:
    """Every command of every page."""
    for page in PAGES:
        yield from read_page(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))


def read_page(text: str, name: str) -> Iterator[Documented]:
    """The commands of one page."""
    unrun: dict[str, str] = {}
    for number, shown, beside in _lines(text.splitlines()):
        if beside is not None:
            marked = _UNRUN.search(beside)
            if marked or beside.strip():
                unrun = read_reasons(marked[1]) if marked else {}
        elif _COMMAND.match(shown):
            command = _REMARK.sub("", _PROMPT.sub("", shown)).removeprefix(".venv/bin/").strip()
            yield Documented(name, number, command, _why(command, unrun))


def read_reasons(text: str) -> dict[str, str]:
    """What an ``unrun`` remark says, by the beginning of a command; "" begins every one."""
    parts = (part.strip() for part in text.split(";"))
    pairs = (part.rpartition(": ") for part in parts)
    return {prefix: reason for prefix, _, reason in pairs}


def known_reasons() -> set[str]:
    """The words of the table in CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return set(_REASON.findall(text[text.index(_REASONS_BEGIN) :]))


def _why(command: str, unrun: dict[str, str]) -> str | None:
    return next((why for prefix, why in unrun.items() if command.startswith(prefix)), None)


def _lines(lines: list[str]) -> Iterator[tuple[int, str, str | None]]:
    """Number, line of a block, and the text where it is none; continued lines are one."""
    fenced, held, begun = False, "", 0
    for number, line in enumerate(lines, start=1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, "", line
        else:
            held, begun = held + line.strip(), begun or number
            if held.endswith("\\"):
                held = held[:-1]
            else:
                yield begun, held, None
                held, begun = "", 0
