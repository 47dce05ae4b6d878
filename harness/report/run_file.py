"""``run.json`` as it grows: linear in the cells of a run, and complete whenever it is read.

Each cell is appended to a journal, ``cells.jsonl``, as soon as it finishes. run.json is
replaced whole, never edited, whenever the cells that it lacks are a sixteenth of all, and at
the end. Whoever reads a run that was killed takes both.

Some room on the disk is held for them, so that verdicts are kept where nothing else is.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness.report.results import RUN_FILE, SCHEMA, host_errors
from harness.report.room import Room
from harness.whole_file import write_whole

JOURNAL_FILE = "cells.jsonl"
# Cells are then written 16 times each at the most, however many there are.
_PART: Final = 16

Entry = dict[str, Any]


def fold(cells: dict[str, Entry], cell: Mapping[str, Any]) -> None:
    """Add or replace a cell, given as :func:`harness.report.results.cell_to_json` makes it.

    A kernel inside a series is the base of the next comparison as well; the entry that says
    how it compares itself stays.
    """
    known = cells.get(str(cell["id"]))
    if known is None or known.get("comparison") is None or cell.get("comparison") is not None:
        cells[str(cell["id"])] = dict(cell)


class RunFile:
    """The results of a run that goes on.

    ``record``, ``save`` and ``finish`` raise InfrastructureError where the disk takes nothing
    more; what it lacks then is written as soon as one of them can.
    """

    def __init__(self, run_directory: Path, facts: Mapping[str, Any]) -> None:
        self.path = run_directory / RUN_FILE
        self.journal = run_directory / JOURNAL_FILE
        self._facts = {**facts, "started": _now(), "finished": None}
        self._cells: dict[str, Entry] = {}
        self._pending = 0
        self._lacking = False
        self._room = Room(run_directory)
        self._room.hold()

    def record(self, *cells: Mapping[str, Any]) -> None:
        """Cells that finished, on disk before this returns; what is there already is not again."""
        cells = tuple(cell for cell in cells if self._cells.get(str(cell["id"])) != cell)
        if not cells and not self._lacking:
            return
        for cell in cells:
            fold(self._cells, cell)
        self._pending += len(cells)
        if self._lacking or self._pending * _PART >= len(self._cells):
            self.save()
        else:
            lines = "".join(json.dumps(cell) + "\n" for cell in cells)
            self._write(lambda: self._append(lines))

    def save(self) -> None:
        """Write run.json with all that there is."""
        document = {"schema": SCHEMA, **self._facts, "cells": list(self._cells.values())}
        text = json.dumps(document, indent=1) + "\n"
        self._write(lambda: self._replace(text))
        self._pending = 0

    def finish(self) -> None:
        """Say that the run came to its end; without it a reader knows that it was killed."""
        self._facts["finished"] = _now()
        self.save()
        self._room.release()

    @property
    def cells(self) -> tuple[Entry, ...]:
        return tuple(self._cells.values())

    def _write(self, write: Callable[[], None]) -> None:
        """Where the disk is full, in the room that was held."""
        self._lacking = True
        with host_errors(self.path):
            try:
                write()
            except OSError:
                self._room.release()
                write()
                self._room.hold()
        self._lacking = False

    def _append(self, lines: str) -> None:
        data = lines.encode()
        with self.journal.open("ab", buffering=0) as file:
            whole = file.tell()
            if file.write(data) < len(data):
                # Nobody reads on behind a part of a line.
                file.truncate(whole)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _replace(self, text: str) -> None:
        write_whole(self.path, text.encode())
        self.journal.unlink(missing_ok=True)


def complete(directory: Path, data: Any) -> Any:
    """The content of run.json with what its journal has beyond it, if the run was killed."""
    journal = directory / JOURNAL_FILE
    if not isinstance(data, dict) or data.get("finished", "") is not None or not journal.exists():
        return data
    cells: dict[str, Entry] = {}
    for cell in (*data.get("cells", ()), *_read(journal)):
        fold(cells, cell)
    return {**data, "cells": list(cells.values())}


def _read(journal: Path) -> Iterator[Entry]:
    """Every whole line; a run that is killed while it writes leaves part of one."""
    with journal.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                cell = json.loads(line)
            except (ValueError, RecursionError):
                return
            if not isinstance(cell, dict) or "id" not in cell:
                return
            yield cell


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
