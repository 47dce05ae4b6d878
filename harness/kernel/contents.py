"""What the files of somebody's own tree hold, read again only where they may have changed.

Reading 80,000 files takes seconds, so the digest of each is noted with what ``stat`` says of it;
the change time, which no program can set back, is part of that.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

from harness.kernel.tree import Looks
from harness.seals import SETTLED_SECONDS
from harness.store import Store, digest
from harness.whole_file import write_whole


class Content(NamedTuple):
    """Digest of a file's mode and content, or of where a link leads, and when that was written."""

    digest: str
    mtime_ns: int


# By the files' names.
Contents: TypeAlias = Mapping[str, Content]

_NOTES = "trees"
_SETTLED_NS = int(SETTLED_SECONDS * 1e9)


def read_contents(tree: Path, looks: Looks, store: Store) -> Contents:
    """The contents of the files that were looked at just now. Raises OSError."""
    file = store.root / _NOTES / f"{digest(str(tree))[:24]}.json"
    noted = _read_notes(file)
    found = {
        name: known[1]
        if (known := noted.get(name)) is not None and known[0] == look
        else _digest(tree / name)
        for name, look in looks.items()
    }
    settled = time.time_ns() - _SETTLED_NS
    notes = {name: (look, found[name]) for name, look in looks.items() if max(look[3:]) < settled}
    if notes != noted:
        with suppress(OSError):  # a store that may only be read
            write_whole(file, json.dumps(notes).encode())
    return {name: Content(found[name], look[3]) for name, look in looks.items()}


def identify(contents: Contents) -> str:
    """One digest for all of them, whenever they were written."""
    parts = ((os.fsencode(name), contents[name].digest) for name in sorted(contents))
    return digest(*(part for each in parts for part in each))


def _read_notes(file: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    try:
        raw = json.loads(file.read_bytes())
        return {name: (tuple(look), content) for name, (look, content) in raw.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _digest(file: Path) -> str:
    mode = file.lstat().st_mode
    if stat.S_ISLNK(mode):
        return digest(f"link {file.readlink()}")
    if not stat.S_ISREG(mode):
        return digest("neither file nor link")
    return digest("program" if mode & stat.S_IXUSR else "file", file)
