"""One line a running guest, below what pytest has written, as long as cells run on a terminal.

pytest writes as it would without: before any of its hooks that write, the lines are taken
away, and the cursor is where pytest left it.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest
from rich.cells import set_cell_size

from harness.report.running import RunningCell, read_running

LIVE_LINES: Final = "daxhound-live-lines"

_REFRESH_SECONDS: Final = 0.25
# Of a terminal's lines; pytest's own must stay in sight.
_SHARE: Final = 3

_ERASE_BELOW = "\x1b[J"


class LiveLines:
    """A plugin of the process that has the terminal; see :func:`wants_live_lines`.

    ``run_directory`` is None as long as no cell has begun.
    """

    def __init__(self, run_directory: Callable[[], Path | None], reporter: Any) -> None:
        self._run_directory = run_directory
        self._reporter = reporter
        # Standard output is captured while a cell runs; this is the terminal for good.
        self._terminal = os.dup(reporter._tw._file.fileno())
        self._lock = threading.RLock()
        self._paused = 0
        self._shown = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._refresh, name="live-lines", daemon=True)
        self._thread.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The terminal is somebody else's."""
        with self._lock:
            self._paused += 1
            self._take_away()
        try:
            yield
        finally:
            with self._lock:
                self._paused -= 1

    def close(self) -> None:
        """Leave the terminal as pytest left it."""
        self._ended.set()
        self._thread.join()
        with self._lock:
            self._take_away()
        os.close(self._terminal)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self) -> Generator[None, Any, Any]:
        with self.paused():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, Any, Any]:
        with self.paused():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self) -> Generator[None, Any, Any]:
        with self.paused():
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Before pytest's own ends its line."""
        self.close()

    def _refresh(self) -> None:
        while not self._ended.wait(_REFRESH_SECONDS):
            directory = self._run_directory()
            with self._lock:
                if directory is not None and not self._paused:
                    self._show(directory)

    def _show(self, directory: Path) -> None:
        columns, rows = shutil.get_terminal_size()
        cells = islice(read_running(directory), max(1, rows // _SHARE))
        lines = [line_of(cell, directory, columns) for cell in cells]
        if not lines:
            self._take_away()
            return
        # Down, which scrolls where it must, and up again as many lines to the same column.
        below = "".join(f"\r\n{line}" for line in lines)
        column = self._reporter._tw.width_of_current_line % columns
        right = f"\x1b[{column}C" if column else ""
        self._write(f"{_ERASE_BELOW}{below}\x1b[{len(lines)}A\r{right}")
        self._shown = True

    def _take_away(self) -> None:
        if self._shown:
            self._write(_ERASE_BELOW)
            self._shown = False

    def _write(self, text: str) -> None:
        os.write(self._terminal, text.encode())


def line_of(cell: RunningCell, directory: Path, columns: int) -> str:
    """One line that no terminal wraps."""
    seconds = time.time() - cell.started
    told = f"{cell.name}  {cell.phase}  {seconds:.0f} s  {cell.last_line(directory)}"
    return set_cell_size(told, columns - 1)


def wants_live_lines(config: pytest.Config) -> bool:
    """Whether there is a terminal that may be drawn on: not -q, not a dumb one, cells here."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    return (
        reporter is not None
        and bool(reporter.isatty)
        and config.option.verbose >= 0
        and not config.option.collectonly
        and os.environ.get("TERM", "dumb") != "dumb"
        and config.getoption("--cluster") is None
    )
