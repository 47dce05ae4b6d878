"""Chromium without a window and without a network."""

from __future__ import annotations

import shutil

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-lcd-text",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def start_browser() -> Chrome:
    """Debian's Chromium. Raises FileNotFoundError where it is not installed."""
    paths = shutil.which("chromium"), shutil.which("chromedriver")
    if paths[0] is None or paths[1] is None:
        raise FileNotFoundError("no browser: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = paths[0]
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    return Chrome(options=options, service=Service(paths[1]))
