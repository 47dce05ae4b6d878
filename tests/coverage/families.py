"""What developers asked for, as docs/coverage.yaml lists it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from harness.yaml_document import Record, load_documents

FAMILIES = Path(__file__).resolve().parents[2] / "docs/coverage.yaml"


class Family(Record):
    """One thing that was asked for; ``scenarios`` are names or globs."""

    what: str
    scenarios: tuple[str, ...]

    def has(self, scenario: str) -> bool:
        return any(fnmatchcase(scenario, pattern) for pattern in self.scenarios)


class Thread(Record):
    """A thread of a mailing list, by its subject, and what was asked for in it."""

    thread: str
    asked: tuple[Family, ...]


def load_threads(path: Path = FAMILIES) -> tuple[Thread, ...]:
    """Every thread, in order. Raises UserError with file and line."""
    (document,) = load_documents(path)
    return tuple(
        document.read(Thread, entry, (number,)) for number, entry in enumerate(document.data)
    )
