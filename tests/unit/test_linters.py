"""The linters are tests: what CI enforces is what pytest says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "bench", "harness", "tests", "scenarios"],
        ["ruff", "format", "--check", "bench", "harness", "tests", "scenarios"],
        ["mypy"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_clean(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_mirror_is_written_into_the_project() -> None:
    """Packages come from the mirrors of the host's own apt sources."""
    for path in (*ROOT.glob("harness/**/*"), *ROOT.glob("qemu/*"), ROOT / "setup.sh"):
        if path.is_file() and path.suffix != ".pyc":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\b(?:file|ftp|git|https?|rsync|ssh)://", text), path
