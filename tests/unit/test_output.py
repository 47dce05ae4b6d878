"""Commands whose output nobody reads to its end, and that end as they would have all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STEP = """\
import sys
from harness.cli import main
from harness.commands import series_runs

def run(options):
    {run}

series_runs.run_bisect_step = run
sys.exit(main(["bisect-step"]))
"""
MANY = "print('x' * 99999)"


def run_unread(*arguments: str, both: bool = False) -> tuple[int, str]:
    """Exit code and standard error of Python with a closed pipe as its standard output."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            (sys.executable, *arguments),
            stdout=write,
            stderr=write if both else subprocess.PIPE,
            check=False,
            text=True,
        )
    finally:
        os.close(write)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    "run",
    [
        "print('bad', flush=True); return 0",
        "print('bad'); return 1",
        f"{MANY}; return 125",
        "print('bad'); sys.exit(0)",
    ],
)
def test_a_bisection_ends_where_nobody_reads_a_step(run: str, both: bool) -> None:
    code, said = run_unread("-c", STEP.format(run=run), both=both)
    assert code == 128
    assert both or said == "daxhound: standard output was closed, which ends the bisection\n"


def test_a_step_whose_errors_nobody_reads_is_judged_as_ever() -> None:
    run = "from harness.errors import UserError; raise UserError('no tree')"
    assert run_unread("-c", STEP.format(run=run), both=True)[0] == 128
    run = "print('bad', file=sys.stderr); return 1"
    step = "import sys; sys.stdout = open('/dev/null', 'w')\n" + STEP.format(run=run)
    assert run_unread("-c", step, both=True)[0] == 1


@pytest.mark.parametrize("unbuffered", [(), ("-u",)])
def test_a_command_goes_on_to_what_it_finds(unbuffered: tuple[str, ...], tmp_path: Path) -> None:
    document = {"schema": 1, "kernel": "debian:6.1", "started": None, "cells": []}
    (tmp_path / "run.json").write_text(json.dumps({**document, "finished": None}))
    cli = (*unbuffered, "-m", "harness.cli")
    report = ("report", str(tmp_path), "--format", "text")
    assert run_unread(*cli, *report) == (0, "")
    assert run_unread(*cli, *report, "--check") == (3, "")
    assert run_unread(*cli, "--help") == (0, "")
    code, said = run_unread(*cli, "predict", "zzz")
    assert (code, said.splitlines()[0]) == (4, "daxhound: no such scenario: 'zzz'")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_a_locale_cannot_write_is_told_as_far_as_it_can(encoding: str) -> None:
    """A subject in letters that the locale lacks, a folder whose name is no text."""
    step = STEP.format(run=f"print({'mm: café, caf' + chr(0xDCE9)!a}); return 1")
    done = subprocess.run(
        (sys.executable, "-c", step),
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
        check=False,
    )
    said = "mm: café, caf\\udce9\n".encode(encoding, "backslashreplace")
    assert (done.returncode, done.stdout, done.stderr) == (1, said, b"")
