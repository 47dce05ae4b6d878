"""Annotations at the end of a run, where GitHub's runner is there to read them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.plugin.hooks import Recorder
from harness.report.run_file import RunFile


class Terminal:
    """What the recorder says of a finished run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.lines.append(title)

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def summary_of(directory: Path, source: Path) -> list[str]:
    document = json.loads((source / "run.json").read_text())
    settings: Any = SimpleNamespace(run_directory=directory, series=document["series"])
    recorder = Recorder(settings)
    facts = {"kernel": document["kernel"], "series": document["series"]}
    recorder.run_file = RunFile(directory, facts)
    recorder.run_file.record(*document["cells"])
    recorder.run_file.finish()  # as the session's end does, which comes first
    terminal = Terminal()
    recorder.pytest_terminal_summary(terminal)
    return terminal.lines


def test_findings_are_annotated_on_github_only(
    series_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    quiet = summary_of(tmp_path, series_run)
    assert not [line for line in quiet if line.startswith("::")]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    told = [line for line in summary_of(tmp_path, series_run) if line.startswith("::")]
    assert [line.split(",")[0] for line in told] == ["::error file=scenarios/devdax.yaml"] * 2
