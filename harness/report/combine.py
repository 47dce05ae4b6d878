"""Several results folders made one: shards of a run, or runs on several kernels.

Cells that contradict each other are refused: which of two verdicts is right is not for a
report to say. Infrastructure says nothing about the kernel, so it gives way.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.records import Verdict
from harness.report.document import RunDocument, Series
from harness.report.results import RUN_FILE, SCHEMA, folder_name, host_errors
from harness.report.run import Cell, Run, lacking_shards, read_run
from harness.run_folder import make_run_folder
from harness.whole_file import write_whole

_FRESH = "a folder that does not exist yet"


def combine(runs: Sequence[Run]) -> Run:
    """One run of all cells. Raises UserError where two contradict each other."""
    if len(runs) == 1:
        return runs[0]
    chosen: dict[tuple[str, str, int | None], Cell] = {}
    for run in runs:
        for cell in run.cells:
            known = chosen.get(cell.key)
            chosen[cell.key] = cell if known is None else _settled(known, cell)
    cells = tuple(chosen.values())
    document = _document(runs, cells)
    # A part that one folder lacks may be another.
    notes = [
        f"{run.directory}: {note}"
        for run in runs
        for note in run.notes
        if note not in lacking_shards(run.document)
    ]
    notes += lacking_shards(document)
    return Run(runs[0].directory, document, cells, tuple(notes))


def _settled(first: Cell, second: Cell) -> Cell:
    """The cell that counts of two of the same name. Raises UserError where neither does."""
    verdicts = first.entry.verdict, second.entry.verdict
    if verdicts[0] is Verdict.INFRASTRUCTURE:
        return second
    same = (first.entry.report_details, first.entry.reason) == (
        second.entry.report_details,
        second.entry.reason,
    )
    if verdicts[1] is Verdict.INFRASTRUCTURE or (verdicts[0] == verdicts[1] and same):
        return first
    raise UserError(
        f"{first.entry.id} is in two folders with different results: "
        f"{_said(first)} in {first.directory}, {_said(second)} in {second.directory}",
        hint="leave out the folder that does not belong, or compare the two with --against",
    )


def _said(cell: Cell) -> str:
    return f"{cell.entry.verdict.value} ({cell.entry.reason or cell.entry.kernel})"


def _document(runs: Sequence[Run], cells: Sequence[Cell]) -> RunDocument:
    starts = [run.document.started for run in runs if run.document.started]
    ends = [run.document.finished for run in runs if run.document.finished]
    kernels = dict.fromkeys(kernel for run in runs for kernel in run.kernels)
    early = any(run.document.ended_early for run in runs)
    ended: dict[str, Any] = {"finished": None if early else max(ends)} if early or ends else {}
    return RunDocument(
        schema=SCHEMA,
        kernel=", ".join(kernels) or runs[0].document.kernel,
        series=_series(runs),
        started=min(starts, default=None),
        cells=tuple(cell.entry for cell in cells),
        parts=tuple(part for run in runs for part in run.document.own_parts),
        **ended,
    )


def _series(runs: Sequence[Run]) -> Series | None:
    if any(run.series != runs[0].series for run in runs):
        names = ", ".join(
            f"{run.directory}: {run.series.name if run.series else 'none'}" for run in runs
        )
        raise UserError(
            f"the folders are of different series ({names})",
            hint="a report of each, or one --against the other",
        )
    return runs[0].series


def merge(directories: Sequence[Path], output: Path) -> Run:
    """Write one results folder made of several, their cells' folders copied; read it back.

    Raises UserError where cells contradict each other, or ``output`` is in use or no folder, and
    InfrastructureError where a file cannot be read or written: nothing of it is left then.
    """
    if output.is_dir() and any(output.iterdir()):
        raise UserError("is not empty", path=output, hint=_FRESH)
    run = combine([read_run(directory) for directory in directories])
    if not output.is_dir():
        try:
            make_run_folder(output)
        except OSError as exc:
            raise UserError(f"cannot be made: {exc.strerror}", path=output, hint=_FRESH) from exc
    try:
        with host_errors(output):
            _write(run, output)
    except BaseException:
        # Half of the cells would pass for all.
        shutil.rmtree(output, ignore_errors=True)
        raise
    return read_run(output)


def _write(run: Run, output: Path) -> None:
    entries = [_copy(cell, output) for cell in run.cells]
    facts = run.document.model_dump(by_alias=True, mode="json", exclude={"cells"})
    text = json.dumps({**facts, "cells": entries}, indent=1) + "\n"
    write_whole(output / RUN_FILE, text.encode())


def _copy(cell: Cell, output: Path) -> dict[str, Any]:
    """A cell's folder copied; its entry, which says where it now is."""
    name = cell.entry.folder
    if (output / name).exists():
        name = folder_name(f"{cell.entry.id} {cell.kernel_spec}")
    if cell.directory.is_dir():
        try:
            shutil.copytree(cell.directory, output / name)
        except shutil.Error as exc:  # one line a file, all of them
            raise OSError(exc.args[0][0][-1]) from exc
    return {**cell.entry.model_dump(mode="json"), "folder": name, "kernel_spec": cell.kernel_spec}
