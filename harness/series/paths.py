"""File names in diffs: unquoted, stripped, and refused where they lead out of the tree."""

from __future__ import annotations

import re
from collections.abc import Sequence

# What a kernel tree has on top, to tell mm/gup.c of -p0 from a/mm/gup.c.
_TOP = re.compile(
    "Documentation|LICENSES|arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel"
    "|lib|mm|net|rust|samples|scripts|security|sound|tools|usr|virt"
    "|COPYING|CREDITS|Kbuild|Kconfig|MAINTAINERS|Makefile|README"
)
# What git puts in front, also with diff.mnemonicPrefix.
_PREFIXES = frozenset("abciow")
_DEEPEST = 3
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPED = dict(zip((b"a", b"b", b"f", b"n", b"r", b"t", b"v"), b"\a\b\f\n\r\t\v", strict=True))
_LONGEST, _LONGEST_PART = 1024, 255

# Two names of one file as a header gives them; None for /dev/null.
Names = tuple[str | None, str | None]


def read_name(text: bytes) -> str | None:
    """A name as it stands behind ``---`` or ``+++``; None for /dev/null. Raises ValueError."""
    _bound(text)
    name = _unquote(text) if text.startswith(b'"') else text.split(b"\t")[0].rstrip()
    if name.startswith(b"/dev/null"):
        return None
    return _decode(name)


def read_git_names(text: bytes) -> Names:
    """Both names of a ``diff --git`` line, which are one file's. Raises ValueError."""
    _bound(text)
    if text.startswith(b'"'):
        end = re.match(rb'"(?:[^"\\]|\\.)*"', text)
        if end is None:
            raise ValueError("a quoted name without its end")
        return read_name(end[0]), read_name(text[end.end() :].strip())
    for space in re.finditer(b" ", text):
        old, new = text[: space.start()], text[space.end() :]
        if old == new or old.partition(b"/")[2] == new.partition(b"/")[2] != b"":
            return _decode(old), _decode(new)
    # A rename: its own lines name it.
    return None, None


def detect_strip(pairs: Sequence[Names], by_git: bool = False) -> int:
    """How many leading parts of every name are not the tree's: 1 for git's a/ and b/.

    The first depth at which a kernel's own top-level names show; deeper than 1, all names
    must agree. Equal names that git wrote (``by_git``) have no prefix.
    """
    if not pairs:
        return 1
    names = [(new or old or "").split("/") for old, new in pairs]
    start = int(any(_is_prefixed(old, new) for old, new in pairs))
    if by_git and not start:
        return 0
    for level in range(start, _DEEPEST + 1):
        known = [len(p) > level and bool(_TOP.fullmatch(p[level])) for p in names]
        if any(known) if level <= 1 else all(known):
            return level
    return 1 if start or all(len(parts) > 1 for parts in names) else 0


def strip(name: str, level: int) -> str:
    """The name without its first ``level`` parts. Raises ValueError where it has no more."""
    parts = name.split("/")
    if name.startswith("/"):
        raise ValueError(f"{name!r} is an absolute path")
    if len(parts) <= level:
        raise ValueError(f"{name!r} has nothing left at -p{level}")
    return check_path("/".join(parts[level:]))


def check_path(path: str) -> str:
    """The path itself. Raises ValueError for one that does not stay within the tree."""
    if path.startswith("/"):
        raise ValueError(f"{path!r} is an absolute path")
    if len(path) > _LONGEST:
        raise ValueError(f"a path of {len(path)} characters")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise ValueError(f"{path!r} leads through {part or 'nothing'!r}")
        if part.lower() in (".git", "git~1"):
            raise ValueError(f"{path!r} belongs to git itself")
        if len(part.encode()) > _LONGEST_PART:
            raise ValueError(f"{path!r} has a part of more than {_LONGEST_PART} bytes")
    return path


def _is_prefixed(old: str | None, new: str | None) -> bool:
    """Whether the names start with what is not the tree's: a/ and b/, linux.orig/ and linux/."""
    if old and new:
        return old.removesuffix(".orig") != new
    return (new or old or "").partition("/")[0] in _PREFIXES


def _bound(text: bytes) -> None:
    """Two names in octal, and a time."""
    if len(text) > 10 * _LONGEST:
        raise ValueError(f"a name of {len(text)} bytes")


def _unquote(text: bytes) -> bytes:
    quoted = re.match(rb'"((?:[^"\\]|\\.)*)"', text)
    if quoted is None:
        raise ValueError("a quoted name without its end")

    def one(found: re.Match[bytes]) -> bytes:
        word = found[1]
        number = int(word, 8) & 0xFF if len(word) == 3 else _ESCAPED.get(word, word[0])
        return bytes([number])

    return _ESCAPE.sub(one, quoted[1])


def _decode(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise ValueError(f"the name {name!r} is no UTF-8") from None
    if not text or not text.isprintable() or set(text) & {'"', "\\"}:
        raise ValueError(f"{text!r} is no file name of a kernel tree")
    return text
