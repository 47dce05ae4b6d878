"""One file's part of a diff: its names and modes held together, and written as git does."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.series.paths import Names, strip

ORDINARY_MODE = b"100644"


@dataclass(frozen=True, slots=True)
class Hunk:
    """One place that changes: its ``@@`` line, and where it is in the old file.

    ``line`` is where the ``@@`` line is in its text.
    """

    header: str
    old_start: int
    old_lines: int
    line: int


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What becomes of one file: ``old`` is None where it is new, ``new`` where it goes."""

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]


@dataclass(slots=True)
class Section:
    """What was read of one file's part; names are as they stand there.

    ``moved`` and ``how`` are of a rename or copy, ``marked`` says that --- and +++ were
    there, ``counts`` are the old and new lines of each hunk, ``body`` all hunks.
    """

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


def write_section(section: Section, level: int, out: bytearray) -> FileDiff:
    """Write one file's part for ``-p1``. Raises ValueError where its lines do not agree."""
    old, new = _names(section, level)
    header = [f"diff --git a/{old or new} b/{new or old}".encode()]
    header += _mode_lines(section, old, new)
    if section.how:
        header += [
            section.how + f" {word} {name}".encode() for word, name in (("from", old), ("to", new))
        ]
    if len(header) == 1 and not section.hunks:
        raise ValueError("nothing changes in this file")
    if section.hunks:
        header += [b"--- " + _mark("a", old), b"+++ " + _mark("b", new)]
    out += b"\n".join(header) + b"\n" + section.body
    return FileDiff(old, new, tuple(section.hunks))


def _names(section: Section, level: int) -> Names:
    if section.how:
        return _moved_names(section, level)
    old, new = (strip(name, level) if name else None for name in section.names)
    if old is None and new is None:
        raise ValueError("two names on a diff --git line, and no rename")
    if section.git:
        old = None if b"new file mode" in section.modes else old
        new = None if b"deleted file mode" in section.modes else new
    elif len(section.counts) == 1:
        # diff -N names a file that is not there all the same.
        (was, becomes), start = section.counts[0], section.hunks[0].old_start
        old = None if was == start == 0 else old
        new = None if becomes == 0 and old else new
    if old is None and new is None:
        raise ValueError("a file that is neither there before nor after")
    if old and new and old != new and section.git:
        raise ValueError("its lines disagree on the name of the file")
    # linux.orig/mm/gup.c.orig and the like: the new name counts.
    return (new if old and new else old), new


def _moved_names(section: Section, level: int) -> Names:
    # git writes these without a prefix.
    ends = tuple(section.moved.get(word) for word in (b"from", b"to"))
    old, new = (strip(name, max(level - 1, 0)) if name else None for name in ends)
    if old is None or new is None:
        raise ValueError(f"a {section.how.decode()} without both of its names")
    if section.marked and (old, new) != tuple(strip(n or "", level) for n in section.names):
        raise ValueError("its lines disagree on the name of the file")
    return old, new


def _mode_lines(section: Section, old: str | None, new: str | None) -> list[bytes]:
    if old is None:
        return [b"new file mode " + section.modes.get(b"new file mode", ORDINARY_MODE)]
    if new is None:
        return [b"deleted file mode " + section.modes.get(b"deleted file mode", ORDINARY_MODE)]
    if {b"old mode", b"new mode"} <= set(section.modes):
        return [word + b" " + section.modes[word] for word in (b"old mode", b"new mode")]
    return []


def _mark(side: str, name: str | None) -> bytes:
    if name is None:
        return b"/dev/null"
    return f"{side}/{name}".encode() + (b"\t" if " " in name else b"")
