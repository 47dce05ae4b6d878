"""Where one trial happens, and what is left there once it is over."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.support.scenarios import CONFTEST

_SCENARIOS = Path(__file__).parent / "scenarios"
_SHARED_MEMORY = Path("/dev/shm")


class Workspace:
    """A folder with a place for temporary files, for results and for scenarios.

    Every process of a trial carries its path in its environment, by which it is found.
    """

    def __init__(self) -> None:
        # Short: sockets of guests are below it, and their paths are bounded.
        self.path = Path(tempfile.mkdtemp(prefix="dxf-", dir="/tmp"))
        self.temporary = self.path / "tmp"
        self.results = self.path / "results"
        self.scenarios = self.path / "scenarios"
        self.output = self.path / "output.txt"
        self.finished = self.path / "finished.txt"
        self.temporary.mkdir()
        self.results.mkdir()
        shutil.copytree(_SCENARIOS, self.scenarios)
        (self.scenarios / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        self._shared_memory = _names(_SHARED_MEMORY)

    def processes(self) -> dict[int, str]:
        """Everything alive that was started for this trial: process ids and command lines."""
        mark = f"TMPDIR={self.temporary}\0".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes():
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    found[int(folder.name)] = b" ".join(words).decode(errors="replace").strip()
        return found

    def guests(self) -> list[int]:
        """The process ids of this trial's QEMUs that run a guest."""
        return [
            pid
            for pid, command in self.processes().items()
            if Path(command.split(" ")[0]).name.startswith("qemu-system") and " -S " in command
        ]

    def left_behind(self) -> Iterator[str]:
        """Processes, files and shared memory that should be gone, in words."""
        for pid, command in self.processes().items():
            yield f"process {pid} is left: {command[:120]}"
        for name in sorted(_names(self.temporary)):
            if name.startswith("pytest-of-"):
                continue  # pytest's own, of which it keeps the last three
            yield f"temporary file {name} is left"
        for name in sorted(_names(_SHARED_MEMORY) - self._shared_memory):
            yield f"shared memory {name} is left"
        for path in self.results.rglob(".new*"):
            yield f"half a file is left: {path.name}"

    def remove(self) -> None:
        """End and remove whatever is still there."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.path, ignore_errors=True)


def _names(directory: Path) -> set[str]:
    with suppress(OSError):
        return {path.name for path in directory.iterdir()}
    return set()
