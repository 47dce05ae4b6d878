"""Diffs, read line by line and written anew: what was not understood is never applied.

Prose between the files, signatures and object ids are dropped, names are brought to
``-p1``. A malformed or hostile diff is a UserError with its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from harness.series.paths import detect_strip, read_git_names, read_name
from harness.series.section import ORDINARY_MODE, FileDiff, Hunk, Section, write_section
from harness.series.text import Lines, Text, printable

# Where a diff starts: git's own line, or the old and the new name.
STARTS = re.compile(rb"^(?:diff --(?:git|cc|combined) |--- [^\n]+\n\+\+\+ )", re.MULTILINE)

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(.*)")
_MODE = re.compile(rb"(old mode|new mode|new file mode|deleted file mode) (\d{6})")
_MOVED = re.compile(rb"(rename|copy) (from|to) (.*)")
_IGNORED = re.compile(rb"(?:index|similarity index|dissimilarity index) ")
_BINARY = re.compile(rb"GIT binary patch|Binary files .* differ")
_KINDS = {b"120": "a symbolic link", b"160": "a submodule"}
_ORDINARY = (ORDINARY_MODE, b"100755")
_NO_NEWLINE = b"\\ No newline at end of file"
# Beyond any series, and more than fits into memory many times over.
_MOST_HUNKS = 200_000

_T = TypeVar("_T")

_WRAPPED = "the patch as its author sent it: a mail program has changed it on the way"


@dataclass(frozen=True, slots=True)
class Diff:
    """A diff in git's format for ``-p1``; ``line`` is where it started in its text."""

    content: bytes
    files: tuple[FileDiff, ...]
    line: int

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that is read or written, in order."""
        names = (name for file in self.files for name in (file.old, file.new) if name)
        return tuple(dict.fromkeys(names))


def read_diff(text: Text, level: int | None = None) -> Diff:
    """The diff in a text. Raises UserError with the line that is wrong.

    ``level`` is how many leading parts to strip off each name (``patch -p``); where it is
    not said, the names tell.
    """
    if sum(map(text.content.count, (b"\n@@ -", b"\n--- ", b"\ndiff --git "))) > _MOST_HUNKS:
        raise text.error(f"a diff of more than {_MOST_HUNKS} hunks")
    sections = _read_sections(Lines(text, strip_cr=_is_converted(text.content)))
    if not sections:
        raise text.error("there is no diff here")
    if level is None:
        named = [section for section in sections if any(section.names)]
        level = detect_strip([s.names for s in named], by_git=all(s.git for s in named))
    out = bytearray()
    files = tuple(_write(section, level, text, out) for section in sections)
    return Diff(bytes(out), files, sections[0].line)


def _write(section: Section, level: int, text: Text, out: bytearray) -> FileDiff:
    try:
        return write_section(section, level, out)
    except ValueError as exc:
        raise text.error(str(exc), section.line) from exc


def _is_converted(content: bytes) -> bool:
    """Whether the lines that are a diff's own, and not the file's, end in CR LF."""
    start = STARTS.search(content)
    return start is not None and content[start.start() :].split(b"\n", 1)[0].endswith(b"\r")


def _read_sections(lines: Lines) -> list[Section]:
    found: list[Section] = []
    while (line := lines.take()) is not None:
        if line.startswith((b"diff --cc ", b"diff --combined ")):
            raise lines.error("the diff of a merge cannot be applied")
        if line.startswith(b"diff --git "):
            found.append(_read_git(lines, line))
        elif line.startswith(b"--- ") and (lines.peek() or b"").startswith(b"+++ "):
            section = Section(lines.number, git=False)
            _read_marks(lines, line, section)
            found.append(section)
        elif _BINARY.fullmatch(line):
            _refuse_binary(lines)
    return found


def _read_git(lines: Lines, first: bytes) -> Section:
    section = Section(lines.number, git=True)
    section.names = _parse(lines, read_git_names, first.removeprefix(b"diff --git "))
    while (line := lines.peek()) is not None:
        if mode := _MODE.fullmatch(line):
            lines.take()
            section.modes[mode[1]] = _check_mode(lines, mode[2])
        elif moved := _MOVED.fullmatch(line):
            lines.take()
            name = _parse(lines, read_name, moved[3]) or ""
            section.how, section.moved[moved[2]] = moved[1], name
        elif _BINARY.fullmatch(line):
            lines.take()
            _refuse_binary(lines)
        elif _IGNORED.match(line):
            lines.take()
            _check_mode(lines, line[-6:] if re.search(rb" \d{6}$", line) else _ORDINARY[0])
        else:
            break
    if (line := lines.peek()) is not None and line.startswith(b"--- "):
        lines.take()
        _read_marks(lines, line, section)
    return section


def _read_marks(lines: Lines, old: bytes, section: Section) -> None:
    """The --- and +++ lines and the hunks below them."""
    old_name = _parse(lines, read_name, old.removeprefix(b"--- "))
    new = lines.take() or b""
    if not new.startswith(b"+++ "):
        raise lines.error("expected the +++ line of a file here")
    section.names = old_name, _parse(lines, read_name, new.removeprefix(b"+++ "))
    section.marked = True
    if section.names == (None, None):
        raise lines.error("a file that is neither there before nor after")
    while (lines.peek() or b"").startswith(b"@@ -"):
        _read_hunk(lines, section)
    if not section.hunks:
        raise lines.error("a file without hunks; expected a line such as @@ -1,7 +1,8 @@ here")


def _read_hunk(lines: Lines, section: Section) -> None:
    header = lines.take() or b""
    found = _HUNK.fullmatch(header)
    if found is None or b"\0" in header:
        raise lines.error("no hunk has such a line; expected @@ -START,LINES +START,LINES @@")
    old, new = (int(found[n]) if found[n] is not None else 1 for n in (2, 4))
    shown = printable(header.decode(errors="replace"))
    section.hunks.append(Hunk(shown, int(found[1]), old, lines.number))
    section.counts.append((old, new))
    section.body += header + b"\n"
    while old > 0 or new > 0 or (lines.peek() or b"").startswith(b"\\"):
        line = lines.take()
        if line is None:
            raise lines.error(f"the text ends within a hunk: {shown}", hint=_WRAPPED)
        if b"\0" in line:
            raise lines.error("a NUL byte in a hunk: text files only")
        # Mailers take the space off a context line that is empty otherwise.
        sign = line[:1] or b" "
        if sign == b"\\":
            section.body += _NO_NEWLINE + b"\n"
            continue
        old -= sign in b" -"
        new -= sign in b" +"
        if sign not in b" +-" or old < 0 or new < 0:
            raise lines.error(f"this line does not fit into its hunk: {shown}", hint=_WRAPPED)
        section.body += (line or b" ") + b"\n"
    _refuse_more(lines, shown)


def _refuse_more(lines: Lines, shown: str) -> None:
    """A count that is too low would drop lines without a word."""
    after = lines.peek() or b""
    if after[:1] in (b"+", b"-") and after.rstrip() != b"--" and not after.startswith(b"--- "):
        lines.take()
        raise lines.error(f"there are more lines than the hunk says: {shown}", hint=_WRAPPED)


def _check_mode(lines: Lines, mode: bytes) -> bytes:
    if mode not in _ORDINARY:
        kind = _KINDS.get(mode[:3], "no ordinary file")
        raise lines.error(f"mode {mode.decode()} is {kind}: only ordinary files are patched")
    return mode


def _refuse_binary(lines: Lines) -> NoReturn:
    raise lines.error(
        "a binary patch: only text is patched",
        hint="leave the binary file out of the series, or apply it to a tree of your own: dir:PATH",
    )


def _parse(lines: Lines, read: Callable[[bytes], _T], text: bytes) -> _T:
    try:
        return read(text)
    except ValueError as exc:
        raise lines.error(str(exc)) from exc
