"""What pytest calls: options, order of items, run.json, the summary, exit codes."""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfrastructureError, UserError
from harness.plugin.beginning import AROUND_GUESTS
from harness.plugin.crashed import CRASHED, crashed_cell
from harness.plugin.items import CELL_PROPERTY, SETTINGS, USER_ERROR_PROPERTY, CellItem, SeriesItem
from harness.plugin.live import LIVE_LINES, LiveLines, wants_live_lines
from harness.plugin.options import add_options
from harness.plugin.settings import Settings
from harness.plugin.worker_input import is_worker
from harness.plugin.workers import Workers
from harness.report.run_file import RunFile
from harness.report.series_text import render_series_summary
from harness.report.text import render_summary
from harness.scenario.find import CORE
from harness.scenario.shard import Shard, guest_order

# How pytest ends where neither a signal nor a plugin ended it.
_WHOLE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
RECORDER = "daxhound-recorder"


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    try:
        config.stash[SETTINGS] = Settings.read(config)
    except UserError as exc:
        raise pytest.UsageError(str(exc)) from exc
    config.addinivalue_line("markers", f"{CORE}: scenarios that a change is tried on first")
    config.stash[AROUND_GUESTS] = around_guests = ExitStack()
    config.add_cleanup(around_guests.close)
    config.add_cleanup(config.stash[SETTINGS].close)  # the last one is the first to be called
    if not is_worker(config):
        config.pluginmanager.register(Workers(), "daxhound-workers")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What the reader of a series made of it, before anything is built."""
    series = config.stash[SETTINGS].series
    if series is None:
        return []
    count = len(series.patches)
    return [
        f"series: {series.name}, {count} patch{'' if count == 1 else 'es'}",
        *(f"series: {note}" for note in series.notes),
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """pytest-xdist's default deals cells out singly; neighbours are to share a guest."""
    if config.getoption("numprocesses", None) and config.getoption("dist", None) == "no":
        config.option.dist = "worksteal"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Cells of one kernel stand together, and in them those that one guest can run.

    Kernels of a series come in the order of its patches: each is built on the last. A shard
    is cut of what -k and the like have left.
    """
    order = guest_order(_guest_of(item) for item in items)
    items.sort(key=lambda item: (_position(item), *order(_guest_of(item))))
    shard = config.stash[SETTINGS].shard
    if shard is not None:
        _cut(config, items, shard)


def _cut(config: pytest.Config, items: list[pytest.Item], shard: Shard) -> None:
    """All kernels of a cell are in one shard: they are held against each other."""
    mine = set(shard.part(_identity(item) for item in items))
    others = [item for item in items if _identity(item) not in mine]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if _identity(item) in mine]


def _identity(item: pytest.Item) -> str:
    return item.cell.id if isinstance(item, CellItem) else item.nodeid


def _position(item: pytest.Item) -> int:
    return item.after if isinstance(item, SeriesItem) else 0


def _guest_of(item: pytest.Item) -> tuple[object, ...]:
    """Equal for cells that one guest can run; other tests stay where they are."""
    return item.cell.guest if isinstance(item, CellItem) else ()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """A guest that no other cell waits for need not be looked at, nor tidied up."""
    if isinstance(item, CellItem):
        item.followed = nextitem is not None and _guest_of(nextitem) == _guest_of(item)


class Recorder:
    """The controller's plugin that keeps run.json up to date as cells finish."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.run_file: RunFile | None = None
        self.user_error = False
        self.unwritten: str | None = None
        self._recording = threading.Lock()
        self._items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """What the run will go through; of pytest-xdist's only its workers know."""
        self._items = session.items

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Before the first cell: room for run.json is held while there is some."""
        if self.run_file is None and _is_cell(nodeid):
            self.run_file = self._new_run_file()

    def _new_run_file(self) -> RunFile:
        orders = (item.orders() for item in self._items if isinstance(item, CellItem))
        chosen = {order.id for some in orders for order in some}
        facts = {**self.settings.describe(), "chosen": len(chosen) or None}
        return RunFile(self.settings.run_directory, facts)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == CRASHED and _is_cell(report.nodeid):
            known, kernel = self.settings.known, self.settings.kernel
            self.record(crashed_cell(report.nodeid, report.longreprtext, kernel, known))
        if report.when != "call":
            return
        for name, value in report.user_properties:
            self.user_error |= name == USER_ERROR_PROPERTY
            if name == CELL_PROPERTY:
                self.record(json.loads(str(value)))

    def directory(self) -> Path | None:
        """The run's folder, once a cell has begun."""
        return None if self.run_file is None else self.run_file.path.parent

    def record(self, cell: dict[str, Any]) -> None:
        """Have a finished cell in run.json; by any thread, and again as pytest comes to it."""
        with self._recording:
            if self.run_file is None:
                self.run_file = self._new_run_file()
            run_file = self.run_file
            self._write(lambda: run_file.record(cell))

    def _write(self, write: Callable[[], None]) -> None:
        """A full disk costs no verdict: what could not be written is tried with the next."""
        try:
            write()
        except InfrastructureError as exc:
            self.unwritten = str(exc)
        else:
            self.unwritten = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.user_error |= report.failed and report.nodeid.endswith((".yaml", ".yml"))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.settings.end_planned()
        if self.run_file is not None and self.run_file.cells:
            whole = exitstatus in _WHOLE
            self._write(self.run_file.finish if whole else self.run_file.save)
        if self.unwritten is not None and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.user_error:
            session.exitstatus = UserError.exit_code

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.run_file is None or not self.run_file.cells:
            return
        from harness.model.rules import RULES

        terminalreporter.section("daxhound")
        terminalreporter.write_line(render_summary(self.run_file.cells, RULES))
        if self.settings.series is not None:
            terminalreporter.write_line(render_series_summary(self.run_file.cells))
        terminalreporter.write_line(f"results: {self.run_file.path}")
        if self.unwritten is not None:
            terminalreporter.write_line(f"run.json lacks what came last: {self.unwritten}")
        if os.environ.get("GITHUB_ACTIONS") == "true":
            self._annotate(terminalreporter)

    def _annotate(self, terminalreporter: Any) -> None:
        """GitHub's runner reads annotations from the output of what it runs."""
        from harness.report.github import render_github
        from harness.report.material import gather

        directory = self.settings.run_directory
        for line in render_github(gather([directory], None, directory)).splitlines():
            terminalreporter.write_line(line)


def _is_cell(nodeid: str) -> bool:
    return nodeid.partition("::")[0].endswith((".yaml", ".yml"))


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if not is_worker(config):
        recorder = Recorder(config.stash[SETTINGS])
        config.pluginmanager.register(recorder, RECORDER)
        if wants_live_lines(config):
            reporter = config.pluginmanager.getplugin("terminalreporter")
            config.pluginmanager.register(LiveLines(recorder.directory, reporter), LIVE_LINES)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """pytest looks for garbage five times at its end; what ran cells has none worth it."""
    controls = session.config.pluginmanager.has_plugin("dsession")
    if controls or any(isinstance(item, CellItem | SeriesItem) for item in session.items):
        gc.freeze()
