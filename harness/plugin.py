"""The pytest face: options in, one item a cell, outcomes out.

Options are there in every pytest run; scenario files are collected only below a folder
whose conftest.py takes :func:`collect_scenarios`. Under pytest-xdist the workers run
cells and the controller alone writes run.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.cell import CellRunner, RunOptions
from harness.campaign.provide import Provider
from harness.errors import UserError
from harness.kernel.spec import parse_kernel_spec
from harness.machine.process import orderly_termination
from harness.model.rules import RULES
from harness.progress import Progress, Task
from harness.records import CellResult, Verdict
from harness.report.results import RunFile, cell_to_json, folder_name, new_run_directory
from harness.report.text import render_failure, render_summary
from harness.scenario.expand import Cell, check_targets, expand
from harness.scenario.schema import Scenario, load_scenarios
from harness.store import Store
from harness.target import Target, load_targets, select_targets

USER_ERROR_EXIT = 4
_CELL = "daxhound.cell"
_USER_ERROR = "daxhound.user-error"

_known_key = pytest.StashKey[dict[str, Target]]()
_targets_key = pytest.StashKey[dict[str, Target]]()
_runner_key = pytest.StashKey[CellRunner]()
_run_directory_key = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("daxhound", "kernel scenarios on QEMU guests")
    group.addoption(
        "--arch",
        action="append",
        metavar="TARGET",
        help="target, several with commas, or all (default: all); see daxhound targets",
    )
    group.addoption(
        "--kernel",
        default="debian:6.1",
        metavar="SPEC",
        help="debian:6.1 (default), debian:6.12, debian:7.2, dir:PATH, tar:PATH, git:PATH@REF",
    )
    group.addoption(
        "--results",
        metavar="DIR",
        type=Path,
        help="folder for run.json and the cells' folders (default: results/<time>)",
    )
    group.addoption(
        "--transport",
        choices=["ssh", "serial"],
        default="ssh",
        help="how steps reach the guest (default: ssh)",
    )
    group.addoption(
        "--patience",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="multiply every deadline, for a slow or busy host (default: 1)",
    )


def pytest_configure(config: pytest.Config) -> None:
    try:
        targets = load_targets()
        selected = select_targets(config.getoption("--arch") or ["all"], targets)
        parse_kernel_spec(config.getoption("--kernel"))
    except UserError as exc:
        raise pytest.UsageError(str(exc)) from exc
    config.stash[_known_key] = targets
    config.stash[_targets_key] = {target.name: target for target in selected}
    # SIGTERM unwinds as Ctrl-C does, so that every guest is ended on the way out.
    stack = ExitStack()
    stack.enter_context(orderly_termination())
    config.add_cleanup(stack.close)


def collect_scenarios(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """``pytest_collect_file`` of a folder of scenarios."""
    if file_path.suffix in (".yaml", ".yml"):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """One YAML file of scenarios."""

    def collect(self) -> Iterator[CellItem]:
        targets = self.config.stash[_targets_key]
        known = self.config.stash[_known_key]
        for scenario in load_scenarios(self.path):
            check_targets(scenario, known)
            yield from self._cells(scenario, targets)

    def _cells(self, scenario: Scenario, targets: dict[str, Target]) -> Iterator[CellItem]:
        for cell in expand(scenario, targets):
            yield CellItem.from_parent(self, name=cell.name, cell=cell)

    def repr_failure(  # type: ignore[override]  # as Collector has it
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        if isinstance(excinfo.value, UserError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))


class CellFailed(Exception):
    """A cell that is neither ok nor unsupported; its text is the whole story."""


class CellItem(pytest.Item):
    """One cell."""

    def __init__(self, *, cell: Cell, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell

    def runtest(self) -> None:
        result = _runner(self.config).run(self.cell)
        self.user_properties.append((_CELL, json.dumps(cell_to_json(result))))
        if result.verdict is Verdict.UNSUPPORTED:
            pytest.skip(f"unsupported: {result.reason}")
        if result.verdict is not Verdict.OK:
            raise CellFailed(self._story(result))

    def _story(self, result: CellResult) -> str:
        folder = _run_directory(self.config) / folder_name(result.id)
        kernel = self.config.getoption("--kernel")
        reproduce = f"pytest '{self.nodeid}' --arch {result.target} --kernel {kernel}"
        return render_failure(result, folder=str(folder), reproduce=reproduce)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, CellFailed):
            return str(excinfo.value)
        if isinstance(excinfo.value, UserError):
            self.user_properties.append((_USER_ERROR, "yes"))
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class UncapturedProgress(Progress):
    """Builds speak to the terminal, not to the captured output of the cell that waits."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture: Any = config.pluginmanager.getplugin("capturemanager")

    def line(self, text: str) -> None:
        with self._capture.global_and_fixture_disabled():
            super().line(text)

    @contextmanager
    def task(self, text: str, unit: str, total: int | None = None) -> Iterator[Task]:
        with self._capture.global_and_fixture_disabled(), super().task(text, unit, total) as task:
            yield task


def _runner(config: pytest.Config) -> CellRunner:
    if _runner_key not in config.stash:
        provider = Provider(
            Store.default(), config.getoption("--kernel"), UncapturedProgress(config)
        )
        options = RunOptions(
            transport=config.getoption("--transport"),
            patience=config.getoption("--patience"),
        )
        config.stash[_runner_key] = CellRunner(provider, options, _run_directory(config))
    return config.stash[_runner_key]


def _run_directory(config: pytest.Config) -> Path:
    """The controller's folder; its workers are told of it."""
    if _run_directory_key not in config.stash:
        worker = getattr(config, "workerinput", None)
        if worker is not None:
            path = Path(worker["daxhound_run_directory"])
        elif config.getoption("--results") is not None:
            path = Path(config.getoption("--results")).resolve()
            path.mkdir(parents=True, exist_ok=True)
        else:
            path = new_run_directory(config.invocation_params.dir / "results")
        config.stash[_run_directory_key] = path
    return config.stash[_run_directory_key]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist: a worker is about to start."""
    node.workerinput["daxhound_run_directory"] = str(_run_directory(node.config))


class Recorder:
    """The controller's plugin that keeps run.json up to date as cells finish."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.run_file: RunFile | None = None
        self.user_error = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        properties = dict(report.user_properties)
        self.user_error |= _USER_ERROR in properties
        if _CELL in properties:
            if self.run_file is None:
                facts = {"kernel": self.config.getoption("--kernel"), "series": None}
                self.run_file = RunFile(_run_directory(self.config), facts)
            self.run_file.record(json.loads(str(properties[_CELL])))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.user_error |= report.failed and report.nodeid.endswith((".yaml", ".yml"))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.user_error:
            session.exitstatus = USER_ERROR_EXIT

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.run_file is None:
            return
        terminalreporter.section("daxhound")
        terminalreporter.write_line(render_summary(self.run_file.cells, RULES))
        terminalreporter.write_line(f"results: {self.run_file.path}")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Recorder(session.config), "daxhound-recorder")
