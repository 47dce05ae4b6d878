"""Diffs, read line by line and written anew: what was not understood is never applied.

Prose between the files, signatures and object ids are dropped, names are brought to
``-p1``. A malformed or hostile diff is a UserError with its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from harness.series.paths import Names, check_path, detect_strip, read_git_names, read_name, strip
from harness.series.text import Lines, Text, printable

# Where a diff starts: git's own line, or the old and the new name.
STARTS = re.compile(rb"^(?:diff --(?:git|cc|combined) |--- [^\n]+\n\+\+\+ )", re.MULTILINE)

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(.*)")
_MODE = re.compile(rb"(old mode|new mode|new file mode|deleted file mode) (\d{6})")
_MOVED = re.compile(rb"(rename|copy) (from|to) (.*)")
_IGNORED = re.compile(rb"(?:index|similarity index|dissimilarity index) ")
_BINARY = re.compile(rb"GIT binary patch|Binary files .* differ")
_KINDS = {b"120": "a symbolic link", b"160": "a submodule"}
_ORDINARY = (b"100644", b"100755")
_NO_NEWLINE = b"\\ No newline at end of file"
# Beyond any series, and more than fits into memory many times over.
_MOST_HUNKS = 200_000

_T = TypeVar("_T")

_WRAPPED = "the patch as its author sent it: a mail program has changed it on the way"


@dataclass(frozen=True, slots=True)
class Hunk:
    """One place that changes: its ``@@`` line, and where it is in the old file."""

    header: str
    old_start: int


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What becomes of one file: ``old`` is None where it is new, ``new`` where it goes."""

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]


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


@dataclass(slots=True)
class _Section:
    """One file's part of a diff while it is read; names are as they stand there."""

    line: int
    git: bool
    names: Names = (None, None)
    modes: dict[bytes, bytes] = field(default_factory=dict)
    moved: dict[bytes, str] = field(default_factory=dict)
    how: bytes = b""
    marked: bool = False
    counts: list[tuple[int, int]] = field(default_factory=list)
    hunks: list[Hunk] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


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
    files = tuple(_finish(section, level, text, out) for section in sections)
    return Diff(bytes(out), files, sections[0].line)


def _is_converted(content: bytes) -> bool:
    """Whether the lines that are a diff's own, and not the file's, end in CR LF."""
    start = STARTS.search(content)
    return start is not None and content[start.start() :].split(b"\n", 1)[0].endswith(b"\r")


def _read_sections(lines: Lines) -> list[_Section]:
    found: list[_Section] = []
    while (line := lines.take()) is not None:
        if line.startswith((b"diff --cc ", b"diff --combined ")):
            raise lines.error("the diff of a merge cannot be applied")
        if line.startswith(b"diff --git "):
            found.append(_read_git(lines, line))
        elif line.startswith(b"--- ") and (lines.peek() or b"").startswith(b"+++ "):
            section = _Section(lines.number, git=False)
            _read_marks(lines, line, section)
            found.append(section)
        elif _BINARY.fullmatch(line):
            _refuse_binary(lines)
    return found


def _read_git(lines: Lines, first: bytes) -> _Section:
    section = _Section(lines.number, git=True)
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


def _read_marks(lines: Lines, old: bytes, section: _Section) -> None:
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


def _read_hunk(lines: Lines, section: _Section) -> None:
    header = lines.take() or b""
    found = _HUNK.fullmatch(header)
    if found is None or b"\0" in header:
        raise lines.error("no hunk has such a line; expected @@ -START,LINES +START,LINES @@")
    old, new = (int(found[n]) if found[n] is not None else 1 for n in (2, 4))
    shown = printable(header.decode(errors="replace"))
    section.hunks.append(Hunk(shown, int(found[1])))
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


def _finish(section: _Section, level: int, text: Text, out: bytearray) -> FileDiff:
    """Check one file's names and modes, and write its part of the diff."""
    try:
        old, new = _names(section, level)
    except ValueError as exc:
        raise text.error(str(exc), section.line) from exc
    header = [f"diff --git a/{old or new} b/{new or old}".encode()]
    header += _mode_lines(section, old, new)
    if section.how:
        header += [section.how + f" {word} {name}".encode() for word, name in _moves(old, new)]
    if len(header) == 1 and not section.hunks:
        raise text.error("nothing changes in this file", section.line)
    if section.hunks:
        header += [b"--- " + _mark("a", old), b"+++ " + _mark("b", new)]
    out += b"\n".join(header) + b"\n" + section.body
    return FileDiff(old, new, tuple(section.hunks))


def _names(section: _Section, level: int) -> Names:
    if section.how:
        # git writes these without a prefix.
        ends = tuple(section.moved.get(word) for word in (b"from", b"to"))
        old, new = (strip(name, max(level - 1, 0)) if name else None for name in ends)
        if old is None or new is None:
            raise ValueError(f"a {section.how.decode()} without both of its names")
        if section.marked and (old, new) != tuple(strip(n or "", level) for n in section.names):
            raise ValueError("its lines disagree on the name of the file")
        return old, new
    old, new = (strip(name, level) if name else None for name in section.names)
    if old is None and new is None:
        raise ValueError("two names on a diff --git line, and no rename")
    if not section.git and len(section.counts) == 1:
        # diff -N names a file that is not there all the same.
        was, becomes = section.counts[0]
        is_new = was == 0 and section.hunks[0].old_start == 0
        old, new = (None if is_new else old), (None if becomes == 0 and not is_new else new)
    if b"new file mode" in section.modes:
        old = None
    if b"deleted file mode" in section.modes:
        new = None
    if old and new and old != new:
        if section.git:
            raise ValueError("its lines disagree on the name of the file")
        # linux.orig/mm/gup.c.orig and the like: the new name counts.
        old = new
    if old is None and new is None:
        raise ValueError("a file that is neither there before nor after")
    return old, new


def _mode_lines(section: _Section, old: str | None, new: str | None) -> list[bytes]:
    if old is None:
        return [b"new file mode " + section.modes.get(b"new file mode", _ORDINARY[0])]
    if new is None:
        return [b"deleted file mode " + section.modes.get(b"deleted file mode", _ORDINARY[0])]
    if {b"old mode", b"new mode"} <= set(section.modes):
        return [word + b" " + section.modes[word] for word in (b"old mode", b"new mode")]
    return []


def _moves(old: str | None, new: str | None) -> tuple[tuple[str, str], ...]:
    return ("from", check_path(old or "")), ("to", check_path(new or ""))


def _mark(side: str, name: str | None) -> bytes:
    if name is None:
        return b"/dev/null"
    return f"{side}/{name}".encode() + (b"\t" if " " in name else b"")


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
