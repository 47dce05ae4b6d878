"""What the store takes on disk, and removing of it what nobody uses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.store import Store


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: ``used`` is seconds since the epoch, ``busy`` whether a process has it."""

    kind: str
    key: str
    size_bytes: int
    used: float
    busy: bool


def list_entries(store: Store) -> tuple[Entry, ...]:
    """Every entry, the longest unused first."""
    busy = store.busy()
    found = (
        Entry(
            path.parent.name,
            path.name,
            disk_bytes(path),
            store.last_used(path),
            (path.parent.name, path.name) in busy,
        )
        for path in store.entries()
    )
    return tuple(sorted(found, key=lambda entry: entry.used))


def sizes_beside(store: Store) -> dict[str, int]:
    """What folders that hold no entries take on disk, without files that an entry has as well."""
    return {path.name: _tree_bytes(path, set(), shared=False) for path in store.others()}


def disk_bytes(path: Path) -> int:
    """What a folder takes on disk, links not followed, a file of several names once."""
    return _tree_bytes(path, set(), shared=True)


def _tree_bytes(path: Path, seen: set[tuple[int, int]], *, shared: bool) -> int:
    """``shared`` is whether files count that have further names."""
    total = 0
    # Of what somebody removes at this moment, the rest counts.
    with suppress(FileNotFoundError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                folder = entry.is_dir(follow_symlinks=False)
                counts = shared or folder or status.st_nlink == 1
                if counts and (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
                if folder:
                    total += _tree_bytes(Path(entry.path), seen, shared=shared)
    return total


def choose(
    entries: Iterable[Entry],
    *,
    now: float,
    older_than_seconds: float | None = None,
    keep_bytes: int | None = None,
) -> Iterator[Entry]:
    """Of entries, the longest unused first: those too old, and as many as make the rest fit.

    What is busy stays, and counts.
    """
    entries = list(entries)
    total = sum(entry.size_bytes for entry in entries)
    for entry in entries:
        old = older_than_seconds is not None and now - entry.used > older_than_seconds
        over = keep_bytes is not None and total > keep_bytes
        if not entry.busy and (old or over):
            total -= entry.size_bytes
            yield entry


def prune(store: Store, chosen: Iterable[Entry]) -> tuple[Entry, ...]:
    """Remove entries; those that came into use meanwhile stay. What was removed."""
    return tuple(entry for entry in chosen if store.remove(entry.kind, entry.key))
