"""What a series is, wherever it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of a series.

    ``position`` counts from 1; ``subject`` is without its ``[PATCH ...]``. ``diff`` holds
    nothing but what was understood, in git's format and for ``-p1``; ``files`` are the
    paths that it changes, relative to the tree. ``where`` is the file and line it came
    from, and ``hunks`` are those of each hunk, in the order of the diff, where it came from a
    file. ``digest`` is equal for equal diffs.
    """

    position: int
    subject: str
    author: str
    message_id: str | None
    diff: bytes
    files: tuple[str, ...]
    where: str
    hunks: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.diff).hexdigest()

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"patch {self.position} ({self.subject})"


@dataclass(frozen=True, slots=True)
class Series:
    """An ordered list of patches.

    ``name`` is the cover letter's subject, or the file's name. ``source`` is what the user
    named. ``notes`` say what was left aside in choosing the patches: for a person to read.
    """

    name: str
    version: int | None
    patches: tuple[Patch, ...]
    source: str
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Equal for equal diffs in the same order."""
        return hashlib.sha256(" ".join(p.digest for p in self.patches).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The series as run.json names it."""
        patches = [
            {"position": patch.position, "subject": patch.subject, "sha256": patch.digest}
            for patch in self.patches
        ]
        return {"name": self.name, "patches": patches}
