"""docs/daxhound.1 is what the parsers say today, and troff takes it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.cli import build_parser
from harness.manpage import render_manpage

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/daxhound.1"


def test_the_page_is_current() -> None:
    written = DOCUMENT.read_text(encoding="utf-8")
    assert written == render_manpage(build_parser()), "python -m harness.manpage >docs/daxhound.1"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_troff_takes_it_and_shows_what_can_be_pasted() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-rLL=100n", "-P-cbou", str(DOCUMENT)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == ""
    assert "  daxhound cache prune --older-than 30d\n" in done.stdout
    assert "$(" not in done.stdout
    assert "  130  interrupted\n" in done.stdout


def test_every_command_and_option_is_in_it() -> None:
    page = render_manpage(build_parser()).replace("\\-", "-")
    for command in ("doctor", "bisect-step", "cache", "worker"):
        assert f".SS daxhound {command}\n" in page
    for option in ("--older-than", "--pack", "--per-patch"):
        assert f"\\fB{option}\\fR" in page


def test_what_must_be_given_is_not_in_brackets() -> None:
    page = render_manpage(build_parser()).replace("\\-", "-")
    assert "daxhound bisect\\fR --series \\fIPATCHES\\fR [--expect" in page
