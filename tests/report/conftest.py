"""Example runs, and a browser to look at their pages with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.report.example import write_run

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@pytest.fixture(scope="session")
def series_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run per patch of a series that regresses twice."""
    return write_run(tmp_path_factory.mktemp("series") / "run", ["devdax.yaml"], (1, 2, 3, 4))


@pytest.fixture(scope="session")
def clean_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a series, all ok or unsupported."""
    return write_run(tmp_path_factory.mktemp("clean") / "run", ["devdax.yaml", "gup.yaml"], (None,))


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """Chromium without a window; CI installs it, elsewhere its absence skips the test."""
    paths = shutil.which("chromium"), shutil.which("chromedriver")
    if paths[0] is None or paths[1] is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = paths[0]
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    driver = Chrome(options=options, service=Service(paths[1]))
    try:
        yield driver
    finally:
        driver.quit()
