"""What the page is told: every cell in a line, and the story of one cell when it is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.records import CommandRecord, Expected, Scalar, StepResult
from harness.report.findings import COMPARED, Finding
from harness.report.measurements import Measurement
from harness.report.results import CONSOLE_FILE
from harness.report.run import Cell, Run
from harness.report.story import Story, reproduce
from harness.report.summary import join, name_patches
from harness.report.text import printable, printable_lines, render_value
from harness.units import count

OUTPUT_CHARACTERS = 12_000
_CELLS_NAMED = 12


def index_to_json(
    run: Run,
    findings: Sequence[Finding],
    measured: Sequence[Sequence[Measurement]],
    rules: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    """All that the matrix, the filter and the plots need."""
    found = {cell.key: finding for finding in findings for cell in finding.cells}
    return {
        "cells": [
            _cell(cell, found.get(cell.key), times)
            for cell, times in zip(run.cells, measured, strict=True)
        ],
        "patches": [
            {"position": patch.position, "subject": printable(patch.subject)}
            for patch in (run.series.patches if run.series else ())
        ],
        "per_patch": all(
            cell.patch_before + 1 == cell.patch for cell in run.cells if cell.entry.comparison
        ),
        "rules": {printable(name): list(map(printable, rule)) for name, rule in rules.items()},
    }


def _cell(cell: Cell, finding: Finding | None, measured: Sequence[Measurement]) -> dict[str, Any]:
    entry = cell.entry
    data: dict[str, Any] = {
        "id": printable(entry.id),
        "stem": printable(cell.stem),
        "file": printable(cell.file),
        "scenario": printable(entry.scenario),
        "parameters": printable(cell.parameters),
        "target": printable(entry.target),
        "kernel": printable(cell.kernel_spec),
        "release": printable(entry.kernel),
        "revision": printable(entry.revision),
        "verdict": entry.verdict.value,
        "seconds": entry.seconds,
        "compared": entry.compared,
        "rules": list(entry.rules),
    }
    if finding is not None:
        data |= {"word": finding.word, "what": printable(finding.what)}
        if finding.patch != cell.patch:
            data["since"] = finding.patch
    if cell.patch is not None:
        data["patch"] = cell.patch
    if entry.reason:
        data["reason"] = "\n".join(printable_lines(entry.reason))
    if measured:
        data["times"] = [
            [m.step, m.name, m.median_us, m.low_us, m.high_us, m.samples] for m in measured
        ]
    if entry.comparison is not None and entry.comparison.times:
        data["ratios"] = [
            [t.step, t.name.removesuffix("_us"), t.median, t.low, t.high, t.pairs, t.claimed]
            for t in entry.comparison.times
        ]
    return data


def finding_to_json(run: Run, finding: Finding) -> dict[str, Any]:
    """One line of the list of findings; a cell that stays so is named once."""
    series = finding.word in COMPARED and run.series is not None
    cells = finding.places
    number = {cell.key: index for index, cell in enumerate(run.cells)}
    return {
        "word": finding.word,
        "by": name_patches(run, finding) if series else "",
        "what": finding.telling,
        "scenarios": join(finding.scenarios[:4]) + (" ..." if len(finding.scenarios) > 4 else ""),
        "targets": join(finding.targets),
        "cells": [
            {"number": number[cell.key], "name": _short(cell, finding)}
            for cell in cells[:_CELLS_NAMED]
        ],
        "more": count(len(cells) - _CELLS_NAMED, "more cell") if len(cells) > _CELLS_NAMED else "",
        "lasting": _lasting(finding),
    }


def _lasting(finding: Finding) -> str:
    last = max((cell.patch or 0 for cell in finding.cells), default=0)
    return f"still so at patch {last}" if last > (finding.patch or last) else ""


def _short(cell: Cell, finding: Finding) -> str:
    """A cell's name within its finding: no more than tells it from the others."""
    parts = [cell.entry.target] if len(finding.targets) > 1 else []
    parts += [cell.entry.scenario] if len(finding.scenarios) > 1 else []
    parts += [cell.parameters] if cell.parameters else []
    return " ".join(parts) or cell.entry.scenario


def detail_to_json(story: Story, base: Path) -> dict[str, Any]:
    """One cell's story, for the pane that opens."""
    cell, console = story.cell, story.console
    entry = cell.entry
    details = entry.report_details
    return {
        "steps": [_step(step) for step in story.steps],
        "problem": story.problem,
        "phases": [[phase.name, phase.seconds] for phase in story.phases],
        "retried": entry.retried,
        "report": printable(entry.report) if entry.report else None,
        "lines": [details.first_line, details.last_line] if details else None,
        "note": "\n".join(printable_lines(entry.note)),
        "comparison": [printable(line) for line in story.comparison_lines],
        "reproduce": printable(reproduce(cell)),
        "argv": [printable(word) for word in story.emulation.argv] if story.emulation else [],
        "qemu": f"QEMU {story.emulation.version}, {story.emulation.accelerator.upper()}"
        if story.emulation
        else "",
        "console": {
            "bytes": console.size_bytes,
            "lines": console.lines,
            "pieces": [[piece.first_line, list(piece.lines)] for piece in console.pieces],
        }
        if console
        else None,
        "path": str(cell.file_of(CONSOLE_FILE)),
        "link": quote(os.fsencode(os.path.relpath(cell.file_of(CONSOLE_FILE), base))),
        "before": [printable(name) for name in story.emulation.cells_before]
        if story.emulation
        else [],
    }


def _step(step: StepResult) -> dict[str, Any]:
    observed = step.observation.values
    wrong = {mismatch.expected.name for mismatch in step.mismatches}
    intended = {mismatch.expected.name for mismatch in step.intended}
    predicted = {expected.name for expected in step.prediction.expected}
    return {
        "name": printable(step.step),
        "values": [
            [*_value(expected, observed), _sameness(expected.name, wrong, intended)]
            for expected in step.prediction.expected
        ],
        "others": [
            [printable(name), render_value(value)]
            for name, value in observed.items()
            if name not in predicted
        ],
        "commands": [_command(command) for command in step.observation.commands],
    }


def _sameness(name: str, wrong: set[str], intended: set[str]) -> str:
    return "differs" if name in wrong else "intended" if name in intended else "same"


def _value(expected: Expected, observed: Mapping[str, Scalar]) -> list[str]:
    relation = "" if expected.relation == "==" else f"{expected.relation} "
    return [
        printable(expected.name),
        f"{relation}{render_value(expected.value)}",
        render_value(observed.get(expected.name)),
        printable(expected.rule.id),
        printable(expected.because),
    ]


def _command(command: CommandRecord) -> list[Any]:
    return [
        _cut(command.command),
        command.status,
        round(command.seconds, 3),
        _cut(command.stdout),
        _cut(command.stderr),
    ]


def _cut(text: str) -> str:
    """Text that keeps its lines, with anything else that is no character made visible."""
    shown = "\n".join(printable_lines(text[:OUTPUT_CHARACTERS]))
    if len(text) <= OUTPUT_CHARACTERS:
        return shown
    return f"{shown}\n[{len(text) - OUTPUT_CHARACTERS:,} more characters are in steps.jsonl]"
