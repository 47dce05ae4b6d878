"""The kernel's own reader of KTAP takes ours; no guest is booted, but the source is needed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.kernel.source import provide_source
from harness.kernel.spec import parse_kernel_spec
from harness.progress import Silence
from harness.records import Verdict
from harness.report.formats import FORMATS
from harness.report.material import gather
from harness.report.summary import verdict_counts
from harness.store import Store
from tests.report.example import write_run


@pytest.mark.guest
def test_kunit_counts_what_we_count(tmp_path: Path) -> None:
    source = provide_source(parse_kernel_spec("debian:6.1"), Store.default(), Silence())
    run = write_run(tmp_path / "run", ["devdax.yaml", "gup.yaml"], (0, 2, 4))
    material = gather([run], None, tmp_path)
    document = tmp_path / "run.ktap"
    document.write_text(FORMATS["ktap"](material))
    said = subprocess.run(
        [sys.executable, source.path / "tools/testing/kunit/kunit.py", "parse", document],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    counted = {
        word: int(n) for word, n in re.findall(r"(\w+): (\d+)", said.stdout.split("Ran")[-1])
    }
    counts = verdict_counts(material.run)
    failed = counts[Verdict.MISMATCH] + counts[Verdict.KERNEL_FAILURE]
    assert counted == {
        "passed": counts[Verdict.OK],
        "failed": failed,
        "skipped": counts[Verdict.UNSUPPORTED],
    }, said.stdout[-2000:] + said.stderr[-2000:]
