"""Example runs, and a browser to look at their pages with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.report.browser import open_browser
from tests.report.example import write_run


@pytest.fixture(scope="session")
def series_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run per patch of a series that regresses twice."""
    return write_run(tmp_path_factory.mktemp("series") / "run", ["devdax.yaml"], (0, 1, 2, 3, 4))


@pytest.fixture(scope="session")
def clean_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a series, all ok or unsupported."""
    return write_run(tmp_path_factory.mktemp("clean") / "run", ["devdax.yaml", "gup.yaml"], (None,))


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """Chromium without a window; CI installs it, elsewhere its absence skips the test."""
    with contextlib.ExitStack() as stack:
        try:
            driver = stack.enter_context(open_browser())
        except FileNotFoundError as exc:
            pytest.skip(str(exc))
        yield driver
