"""A patched source to read: links to the base, and real files where the two differ.

The tree that a kernel was built of moves on to the next patch. Its view stays, for later
questions to the source and for programs built of it.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.kernel.patched import Files, PatchedSource
from harness.kernel.plain_file import write_file
from harness.store import Store, digest


def provide_view(patched: PatchedSource, store: Store) -> Path:
    """The view of a patched source; valid as long as the base is where it was."""
    base = patched.base.path
    if not patched.files:
        return base
    key = digest(patched.identity, str(base))
    return store.provide("patched-source", key, lambda into: _build(into, base, patched.files))


def _build(into: Path, base: Path, files: Files) -> None:
    _link(into, base, {Path(path) for path in files})
    for path, file in files.items():
        if file is not None:
            write_file(into, path, file)


def _link(into: Path, base: Path, changed: set[Path]) -> None:
    """Links to everything in one folder of the base but what is changed in or below it."""
    into.mkdir(exist_ok=True)
    apart = {path.parts[0] for path in changed} | {".git"}
    with os.scandir(base) as entries:
        for entry in entries:
            if entry.name not in apart:
                (into / entry.name).symlink_to(base / entry.name)
    for name in apart:
        below = {p.relative_to(name) for p in changed if p.parts[0] == name and len(p.parts) > 1}
        if below and (base / name).is_dir():
            _link(into / name, base / name, below)
