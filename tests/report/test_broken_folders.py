"""Results folders that were damaged, or lie where names are no text: an answer, no traceback."""

from __future__ import annotations

import base64
import errno
import json
import os
import shutil
import socket
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from harness.cli import main
from harness.errors import InfrastructureError
from harness.report import combine
from harness.report.combine import merge
from harness.report.formats import FORMATS
from harness.report.html.page import render_html
from harness.report.material import gather
from harness.report.measurements import measure
from harness.report.run import read_run, read_steps
from harness.report.story import read_emulation
from tests.report.test_reading import edit


@pytest.fixture
def run(clean_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean_run, tmp_path / "run"))


def _strict(constant: str) -> Any:
    raise AssertionError(f"{constant} is none of JSON's numbers, and ends the page's script")


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": 1, "kernel": "k", "cells": [' + "9" * 5000 + "]}",
        '{"schema": 1, "kernel": "k", "cells": ' + "[" * 99999,
    ],
    ids=["a-number-without-end", "too-deep"],
)
def test_what_is_no_run_is_bad_input(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text(text)
    assert main(["report", str(tmp_path), "--format", "text"]) == 4
    assert "run.json: not JSON: " in capsys.readouterr().err


@pytest.mark.parametrize("line", ["[" * 99999, "9" * 5000])
def test_a_line_that_is_no_cell_ends_the_journal(line: str, run: Path) -> None:
    edit(run, lambda document: document.update(finished=None))
    (run / "cells.jsonl").write_text(f"{line}\n")
    assert read_run(run).document.ended_early


@pytest.mark.parametrize(
    "change",
    [
        lambda step: step["commands"][0].update(seconds="long"),
        lambda step: step["commands"][0].update(seconds=float("nan")),
        lambda step: step["commands"][0].update(seconds=10**400),
        lambda step: step["commands"][0].update(status=None),
        lambda step: step["commands"][0].pop("stdout"),
        lambda step: step["commands"][0].update(stdout=None, stderr=["x"]),
        lambda step: step["prediction"][0].update(statement=7, because=None, source=["x"]),
        lambda step: step["prediction"][0].update(value={"a": [1]}, relation=None),
        lambda step: step.update(observation={"get_us_each": "1 " * 7 + "9" * 400}),
        lambda step: step.update(commands=None),
    ],
)
def test_steps_of_other_types_are_told_as_far_as_they_go(
    change: Callable[[dict[str, Any]], object], run: Path
) -> None:
    cell = read_run(run).cells[0]
    edit(run, lambda document: document["cells"][0].update(verdict="mismatch", reason="x"))
    path = cell.directory / "steps.jsonl"
    first, *others = path.read_text().splitlines()
    step = json.loads(first)
    change(step)
    path.write_text("\n".join([json.dumps(step), *others]) + "\n")
    material = gather([run], None, run)
    for render in FORMATS.values():
        assert render(material)
    steps, problem = read_steps(cell)
    assert problem or len(steps) == len(others) + 1
    json.loads(json.dumps([m.high_us for m in measure(steps)]), parse_constant=_strict)


def test_what_a_later_daxhound_says_of_a_command_is_left_aside(run: Path) -> None:
    cell = read_run(run).cells[0]
    path = cell.directory / "steps.jsonl"
    path.write_text(path.read_text().replace('"commands": [{', '"commands": [{"cpu": 3, '))
    assert read_steps(cell)[1] is None


@pytest.mark.parametrize("said", ["NaN", "Infinity", '"long"', "9" * 400])
def test_a_time_that_is_none_is_no_time(said: str, run: Path) -> None:
    cell = read_run(run).cells[0]
    path = cell.directory / "qemu.json"
    path.write_text(path.read_text().replace("0.7", said))
    assert read_emulation(cell) is None


@pytest.mark.parametrize("said", [float("nan"), float("inf")])
def test_a_ratio_that_is_none_is_refused(said: float, series_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(series_run, tmp_path / "run"))

    def change(document: dict[str, Any]) -> None:
        timed = [one for one in document["cells"] if (one["comparison"] or {}).get("times")]
        timed[0]["comparison"]["times"][0]["high"] = said

    edit(run, change)
    assert main(["report", str(run), "--format", "text"]) == 4


def test_a_folder_whose_name_is_no_text_is_reported(
    clean_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    shutil.copytree(clean_run, run)
    assert "caf%E9" in _links(render_html(gather([run], None, tmp_path)))
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").stat().st_size > 1000
    assert main(["report", str(run), "--against", str(run), "--format", "text"]) == 0
    assert "caf\\xdce9" in capfd.readouterr().out


def _links(page: str) -> str:
    """Where the page's first cell leads."""
    packed = page.partition('id="d0">')[2].partition("<")[0]
    return str(json.loads(zlib.decompress(base64.b64decode(packed)))["link"])


def test_a_merge_that_fails_leaves_nothing_that_passes_for_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = iter(range(3))

    def copytree(source: Path, target: Path) -> None:
        if next(copies) == 2:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise shutil.Error([(str(source), str(target), str(full))])
        target.mkdir()

    monkeypatch.setattr(shutil, "copytree", copytree)
    assert main(["report", "--merge", str(run), "-o", str(tmp_path / "all")]) == 3
    said = capsys.readouterr().err
    assert said == (
        f"daxhound: results cannot be written to {tmp_path / 'all'}: "
        "[Errno 28] No space left on device\n"
    )
    assert not (tmp_path / "all").exists()


def test_a_merge_that_is_interrupted_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combine, "write_whole", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        merge([run], tmp_path / "all")
    assert not (tmp_path / "all").exists()
    monkeypatch.undo()
    assert len(merge([run], tmp_path / "all").cells) == len(read_run(run).cells)


def test_a_file_in_the_place_of_a_cell_is_told(run: Path, tmp_path: Path) -> None:
    """One that cannot be copied, whoever asks: a socket."""
    folder = read_run(run).cells[0].directory
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(folder)
        try:
            one.bind("qmp")
        finally:
            os.chdir(here)
    with pytest.raises(InfrastructureError, match="results cannot be written"):
        merge([run], tmp_path / "all")
