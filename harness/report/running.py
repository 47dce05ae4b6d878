"""What runs at the moment: a small file a cell in the run's folder, for whoever watches.

Nothing depends on it. A file of a process that is gone counts as none.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from harness.report.text import printable
from harness.whole_file import write_whole

RUNNING: Final = ".running"
_TAIL_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class RunningCell:
    """A cell and how far it is: ``started`` in seconds since the epoch.

    ``folder`` is the name of the cell's folder, ``pid`` that of the process that runs it.
    """

    name: str
    folder: str
    phase: str
    started: float
    pid: int

    def last_line(self, run_directory: Path) -> str:
        """The last line of the console that says anything, fit for a terminal."""
        try:
            with (run_directory / self.folder / "console.log").open("rb") as console:
                size = console.seek(0, os.SEEK_END)
                console.seek(max(0, size - _TAIL_BYTES))
                lines = console.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        said = (line.strip() for line in reversed(lines))
        return printable(next((line for line in said if line), "")).replace("\t", " ")


class RunningNote:
    """The file of one cell, kept by whoever runs it."""

    def __init__(self, run_directory: Path, name: str, folder: str) -> None:
        self._path = run_directory / RUNNING / f"{folder}.json"
        self._name = name
        self._folder = folder
        self._started = time.time()

    def write(self, phase: str) -> None:
        """The cell is in another phase."""
        cell = RunningCell(self._name, self._folder, phase, self._started, os.getpid())
        with suppress(OSError):
            write_whole(self._path, json.dumps(asdict(cell)).encode())

    def remove(self) -> None:
        """The cell is done; the last one takes the folder along."""
        with suppress(OSError):
            self._path.unlink()
        with suppress(OSError):
            self._path.parent.rmdir()


def read_running(run_directory: Path) -> Iterator[RunningCell]:
    """The cells that run, the one that began first first."""
    found = []
    for path in (run_directory / RUNNING).glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            found.append(RunningCell(**json.loads(path.read_text(encoding="utf-8"))))
    for cell in sorted(found, key=lambda cell: cell.started):
        if Path(f"/proc/{cell.pid}").exists():
            yield cell
