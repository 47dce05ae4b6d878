"""How long the HTML report of a large run takes to open, against a limit of two seconds.

    .venv/bin/python -m bench.report_page

More than 2,000 cells on three kernels, one of them with a console of 20 MB. The time is
from the navigation's start to a matrix that can be used, the median of five in a fresh
tab each, in Chromium without a window; then the time to open the cell with that console.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from selenium.webdriver import Chrome

from harness.report.combine import merge
from harness.report.formats import FORMATS
from harness.report.material import gather
from tests.report.browser import open_browser
from tests.report.example import ROOT, write_run

LIMIT_SECONDS = 2.0
KERNELS = ("debian:6.1", "debian:6.12", "debian:7.2")
_READY = "return (performance.getEntriesByName('ready')[0] || {}).startTime"
_OPEN = """
const [number, done] = arguments;
const start = performance.now();
const look = () => {
  if (document.querySelector("#detail .report")) done(performance.now() - start);
  else setTimeout(look, 5);
};
location.hash = `#cell=${number}`;
look();
"""


def make_large_run(directory: Path) -> tuple[Path, int]:
    """The run, and the number of its cell with the long console."""
    files = sorted(path.name for path in (ROOT / "scenarios").glob("*.yaml"))
    parts = [write_run(directory / kernel, files, (0, 1, 2, 3, 4)) for kernel in KERNELS]
    for part, kernel in zip(parts, KERNELS, strict=True):
        path = part / "run.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "kernel": kernel}))
    run = merge(parts, directory / "all")
    number, crashed = next(
        (n, cell) for n, cell in enumerate(run.cells) if cell.entry.verdict == "kernel-failure"
    )
    log = crashed.directory / "console.log"
    log.write_bytes(log.read_bytes() + b"[    9.000000] the same line again and again\n" * 460_000)
    return directory / "all", number


def seconds_to_open(browser: Chrome, address: str) -> float:
    """In a fresh tab, from the navigation's start to the matrix."""
    browser.switch_to.new_window("tab")
    browser.get(address)
    return float(browser.execute_script(_READY)) / 1000


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        directory, number = make_large_run(Path(name))
        started = time.monotonic()
        material = gather([directory], None, directory)
        text = FORMATS["html"](material)
        made = time.monotonic() - started
        page = directory / "report.html"
        page.write_text(text, encoding="utf-8")
        with open_browser() as browser:
            times = [seconds_to_open(browser, page.as_uri()) for _ in range(5)]
            opened = float(browser.execute_async_script(_OPEN, number)) / 1000
    median = statistics.median(times)
    print(
        f"cells      {len(material.run.cells)}, page {len(text) / 1e6:.1f} MB, made in {made:.1f} s"
    )
    share = median / LIMIT_SECONDS
    spread = f"{min(times):.2f} to {max(times):.2f}"
    print(f"page opens {median:.2f} s ({spread}), {share:.2f} of the limit")
    print(f"cell opens {opened:.2f} s (console of 20 MB)")
    return 0 if median < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
