"""Scenario files as test files, cells as test items, verdicts as outcomes."""

from __future__ import annotations

import gc
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.order import Order, prefix
from harness.errors import UserError
from harness.host_version import ask_ahead
from harness.kernel.fragments import fragment_names
from harness.plugin.crashed import broken_cell
from harness.plugin.options import given_again
from harness.plugin.settings import Settings
from harness.records import CellResult, Verdict, Word
from harness.report.results import entry_to_json, folder_name
from harness.report.series_text import render_comparison
from harness.report.text import render_failure
from harness.scenario.expand import Cell, check_names, expand
from harness.scenario.find import CORE, check_distinct
from harness.scenario.schema import load_scenarios
from harness.shipped import shown

SETTINGS = pytest.StashKey[Settings]()
CELL_PROPERTY = "daxhound.cell"
USER_ERROR_PROPERTY = "daxhound.user-error"

# What a series may do to a cell without failing it.
_HARMLESS = (Word.UNCHANGED, Word.FIXED)


def collect_scenarios(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """``pytest_collect_file`` of a folder of scenarios: what nobody had to name."""
    return None if parent.session.isinitpath(file_path) else _scenario_file(file_path, parent)


def collect_named(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """``pytest_collect_file`` of every run: a file that the command line names, wherever it is."""
    return _scenario_file(file_path, parent) if parent.session.isinitpath(file_path) else None


def _scenario_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    if file_path.suffix in (".yaml", ".yml"):
        # What is imported and collected stays: looking for garbage among it at every 700th object
        # is an eighth of a start.
        gc.set_threshold(50_000, 20, 100)
        # pytest has no name for a file that was named and is not below its root.
        inside = file_path.is_relative_to(parent.config.rootpath)
        name = None if inside else str(file_path)
        return ScenarioFile.from_parent(parent, path=file_path, nodeid=name)
    return None


class ScenarioFile(pytest.File):
    """One YAML file of scenarios."""

    def collect(self) -> Iterator[CellItem]:
        settings, fragments = self.config.stash[SETTINGS], fragment_names()
        scenarios = load_scenarios(self.path)
        if not scenarios and self.session.isinitpath(self.path):
            raise UserError("has no scenario", path=self.path)
        check_distinct(scenarios, settings.scenario_files)
        for scenario in scenarios:
            check_names(scenario, settings.known, fragments)
            for cell in expand(scenario, settings.targets, settings.fragments):
                for item in self._items(cell, settings):
                    if scenario.body.core:
                        item.add_marker(CORE)
                    yield item

    def _items(self, cell: Cell, settings: Settings) -> Iterator[CellItem]:
        series = settings.series
        if series is None:
            yield CellItem.from_parent(self, name=cell.name, cell=cell)
            return
        for before, after in settings.pairs(series):
            name = cell.name + prefix(series, after).label.suffix
            yield SeriesItem.from_parent(self, name=name, cell=cell, before=before, after=after)

    def repr_failure(  # type: ignore[override]  # as Collector has it
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        if isinstance(excinfo.value, UserError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))


class CellFailed(Exception):
    """A cell that is neither ok nor unsupported; its text is the whole story."""


class CellItem(pytest.Item):
    """One cell on one kernel."""

    def __init__(self, *, cell: Cell, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.seconds = 0.0
        self.recorded: set[str] = set()
        self.followed = True

    @property
    def settings(self) -> Settings:
        return self.config.stash[SETTINGS]

    def orders(self) -> tuple[Order, ...]:
        """What the item will have run."""
        return (Order(self.cell, followed=self.followed),)

    def setup(self) -> None:
        """Have versions asked for while whatever runs guests is still imported."""
        ask_ahead(self.cell.target.programs)

    def runtest(self) -> None:
        """Judge the cell; what the harness itself fails by is in run.json as the host's trouble."""
        try:
            self.judge()
        except (CellFailed, UserError):
            raise
        except Exception as exc:
            for order in self.orders():
                if order.id not in self.recorded:
                    self.record(broken_cell(order, self.settings.kernel, exc))
            raise

    def judge(self) -> None:
        """Run the cell, record it, and end as pytest is to tell of it."""
        (order,) = self.orders()
        result = self.settings.runner.run(order)
        self.record(result)
        if result.verdict is Verdict.UNSUPPORTED:
            pytest.skip(f"unsupported: {result.reason}")
        if result.verdict is not Verdict.OK:
            raise CellFailed(self.story(result))

    def record(self, result: CellResult) -> None:
        """Have the controller write the result down."""
        self.seconds += result.seconds
        self.recorded.add(result.id)
        self.user_properties.append((CELL_PROPERTY, json.dumps(self.entry(result))))

    def entry(self, result: CellResult) -> dict[str, Any]:
        """The result as run.json has it."""
        line, again = self.cell.line, self.reproduce
        return entry_to_json(result, file=self.file, line=line, reproduce=again)

    @property
    def file(self) -> str:
        """The scenario's file as it is named where pytest was called."""
        return shown(self.path, self.config.invocation_params.dir)

    @property
    def reproduce(self) -> str:
        """The command that runs the cell again."""
        settings = self.settings
        words = ["pytest", f"{self.file}::{self.name}", "--arch", self.cell.target.name]
        words += ["--kernel", settings.kernel]
        words += ["--config", ",".join(settings.fragments)] if settings.fragments else []
        words += settings.stand_ins.arguments
        words += ["--series", settings.series.source] if settings.series else []
        return shlex.join([*words, *given_again(self.config)])

    def story(self, result: CellResult) -> str:
        """What a person needs to know of a failure."""
        folder = self.settings.run_directory / folder_name(result.run_id)
        story = render_failure(result, folder=str(folder), reproduce=self.reproduce)
        if result.comparison is None:
            return story
        return "\n".join([*render_comparison(result.comparison, result.patch), story])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, CellFailed):
            return str(excinfo.value)
        if isinstance(excinfo.value, UserError):
            self.user_properties.append((USER_ERROR_PROPERTY, "yes"))
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class SeriesItem(CellItem):
    """One cell on two kernels of a series, ``before`` and ``after`` so many patches."""

    def __init__(self, *, before: int, after: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.before = before
        self.after = after

    def orders(self) -> tuple[Order, ...]:
        from harness.campaign.series import order_of

        series = self.settings.series
        assert series is not None  # its items are collected with one alone
        both, intentions = (self.before, self.after), self.settings.intentions
        return tuple(order_of(self.cell, series, position, intentions) for position in both)

    def judge(self) -> None:
        runner = self.settings.series_runner
        # First and by itself: what ends the patched kernel's run leaves this one's result.
        self.record(runner.once(runner.order(self.cell, self.before)))
        both = runner.run(self.cell, self.before, self.after)
        self.record(both.patched)
        patched = both.patched
        assert patched.comparison is not None  # run() compares
        if patched.comparison.word not in _HARMLESS:
            spoilt = both.base.verdict is Verdict.INFRASTRUCTURE and patched.is_expected
            unsound = both.base if spoilt else patched
            raise CellFailed(self.story(unsound))
        if patched.verdict is Verdict.UNSUPPORTED:
            pytest.skip(f"unsupported: {patched.reason}")
        if not patched.is_expected:
            pytest.xfail(f"{both.base.id} fails alike: {patched.reason}")
