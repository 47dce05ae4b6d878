"""The picture in docs/reports.md, taken anew: .venv/bin/python -m tests.report.screenshot"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path

from harness.cli import main
from tests.report.browser import open_browser
from tests.report.example import ROOT, write_run

PICTURE = ROOT / "docs" / "images" / "report.png"
_SIZE = {"width": 1320, "height": 1000, "deviceScaleFactor": 0.75, "mobile": False}
_CELL = "devdax.yaml::devdax-above-16g[ppc64-hash-mem]@02"
_OPEN = """
const mark = [...document.querySelectorAll(".mark")].find((one) => one.title === arguments[0]);
mark.click();
"""


def take() -> None:
    """Write the picture: an example run in light colours, its crash opened."""
    # In the folder, since the page shows paths as they were given.
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        run = write_run(Path("results/run"), ["devdax.yaml"], (0, 1, 2, 3, 4))
        main(["report", str(run)])
        with open_browser() as browser:
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _SIZE)
            browser.get((run / "report.html").resolve().as_uri())
            browser.execute_script(_OPEN, _CELL)
            time.sleep(1)
            browser.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
            time.sleep(0.5)
            PICTURE.parent.mkdir(exist_ok=True)
            browser.save_screenshot(str(PICTURE))


if __name__ == "__main__":
    take()
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")
    sys.exit(0)
