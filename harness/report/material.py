"""What every format is made from: a run, and what it was held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.report.combine import combine
from harness.report.difference import Difference, compare_runs
from harness.report.findings import Finding, find
from harness.report.run import Run, read_run


@dataclass(frozen=True, slots=True)
class Material:
    """``base`` is the folder that links to the cells' files start from."""

    run: Run
    difference: Difference | None
    findings: tuple[Finding, ...]
    base: Path


def gather(directories: Sequence[Path], against: Path | None, base: Path) -> Material:
    """Read results folders. Raises UserError for one that is none, or for contradictions."""
    run = combine([read_run(directory) for directory in directories])
    difference = compare_runs(run, read_run(against)) if against is not None else None
    words = difference.words if difference else None
    return Material(run, difference, find(run.cells, words), base)


def write_file(path: Path, text: str) -> None:
    """Write a report. Raises UserError where the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as exc:
        raise UserError(f"cannot be written: {exc.strerror}", path=path) from exc
