"""Commands whose output nobody reads to its end, and that end as they would have all the same."""

from __future__ import annotations

import json
import os
import shlex
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
FULL = "daxhound: standard output cannot be written: No space left on device\n"


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


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--version",), 3, FULL),
        (("path", "scenarios"), 3, FULL),
        (("completion", "bash"), 3, FULL),
        (("bisect-step", "--help"), 128, FULL),
        (("path", "scenarois"), 4, "invalid choice"),
    ],
)
def test_a_full_disk_is_no_kernels_failure(
    arguments: tuple[str, ...], code: int, said: str
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            (sys.executable, "-m", "harness.cli", *arguments),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
        )
    assert (done.returncode, done.stderr.count("\n")) == (code, 1 + (code == 4))
    assert said in done.stderr


def test_a_mistake_of_ours_is_no_kernels_failure() -> None:
    mistaken = (
        "import sys\n"
        "from harness import triage\n"
        "triage.find_reports = lambda *_: 1 / 0\n"
        "from harness.cli import main\n"
        f"sys.exit(main(['triage', {os.devnull!r}]))\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", mistaken), check=False, text=True, stderr=subprocess.PIPE
    )
    assert done.returncode == 3
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2)])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("triage", "-"), 0),
        (("shell", "x86_64"), 4),
        (("plan", "--arch", "s390x", "--format", "json"), 0),
        (("predict", "zzz"), 4),
    ],
)
def test_a_stream_that_was_closed_is_as_one_that_nobody_reads(
    closed: tuple[int, ...], arguments: tuple[str, ...], code: int
) -> None:
    redirections = " ".join(f"{number}>&-" for number in closed)
    command = shlex.join((sys.executable, "-m", "harness.cli", *arguments))
    done = subprocess.run(
        ("sh", "-c", f"exec {command} {redirections}"),
        input="",
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)


def test_what_is_opened_and_run_later_has_none_of_the_closed_streams() -> None:
    """A file of the store with the number of standard output would take what a child prints."""
    later = (
        "import subprocess, sys\n"
        "from harness.output import open_closed_streams\n"
        "open_closed_streams()\n"
        "file = open(sys.argv[1], 'w')\n"
        "assert file.fileno() > 2\n"
        "subprocess.run(['sh', '-c', 'echo x && echo y >&2'], check=True)\n"
    )
    command = shlex.join((sys.executable, "-c", later, os.devnull))
    subprocess.run(("sh", "-c", f"exec {command} <&- >&- 2>&-"), check=True)
