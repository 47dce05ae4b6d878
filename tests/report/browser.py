"""Chromium without a window and without a network."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

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


@contextlib.contextmanager
def open_browser() -> Iterator[Chrome]:
    """Debian's Chromium, ended afterwards; it leaves its sockets behind in no folder but its own.

    Raises FileNotFoundError where it is not installed.
    """
    paths = shutil.which("chromium"), shutil.which("chromedriver")
    if paths[0] is None or paths[1] is None:
        raise FileNotFoundError("no browser: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = paths[0]
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    with tempfile.TemporaryDirectory(prefix="dx-browser-", ignore_cleanup_errors=True) as scratch:
        service = Service(paths[1], env={**os.environ, "TMPDIR": scratch})
        browser = Chrome(options=options, service=service)
        try:
            yield browser
        finally:
            browser.quit()
