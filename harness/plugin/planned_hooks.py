"""What pytest calls where cells run several at once, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

import pytest

from harness.errors import InfrastructureError, UserError
from harness.plugin.beginning import begin
from harness.plugin.hooks import RECORDER
from harness.plugin.items import SETTINGS, CellItem, SeriesItem
from harness.records import CellResult


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Whoever runs cells is told of every one before the first is waited for."""
    config = session.config
    cells = [item for item in session.items if isinstance(item, CellItem)]
    if config.option.collectonly or not cells:
        return
    begin(config)
    try:
        planned = config.stash[SETTINGS].plan(order for item in cells for order in item.orders())
        if planned is None:
            return
        planned.outcomes.heard = _recording(config.pluginmanager.getplugin(RECORDER), cells)
        reporter: Any = config.pluginmanager.getplugin("terminalreporter")
        # Without it there is no option of that name either.
        if reporter is not None and config.option.verbose >= 0:
            reporter.write_line(planned.describe())
    except UserError as exc:
        raise pytest.UsageError(str(exc)) from exc
    except InfrastructureError as exc:
        pytest.exit(str(exc), exc.exit_code)


def _recording(recorder: Any, cells: Iterable[CellItem]) -> Callable[[CellResult], None]:
    """Write cells down as they finish: pytest comes to them in their order, which may be later.

    Not those of a series, whose results stand for the next run and are compared in pairs.
    """
    items = {item.cell.id: item for item in cells if not isinstance(item, SeriesItem)}

    def heard(result: CellResult) -> None:
        item = items.get(result.id)
        if item is not None:
            recorder.record(item.entry(result))

    return heard


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A cell took as long as it ran, not as long as it was waited for."""
    report = yield
    if call.when == "call" and isinstance(item, CellItem) and item.settings.planned:
        report.duration = item.seconds
    return report
