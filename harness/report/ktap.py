"""KTAP version 1 (kernel Documentation/dev-tools/ktap.rst): scenarios, and their cells below."""

from __future__ import annotations

from collections.abc import Iterator

from harness import __version__
from harness.records import Verdict
from harness.report.findings import what_of
from harness.report.material import Material
from harness.report.run import Cell
from harness.report.story import read_story
from harness.report.text import printable

_REASON_CHARACTERS = 200


def render_ktap(material: Material) -> str:
    """One document. A scenario is ``not ok`` where a cell of it is."""
    scenarios: dict[str, list[Cell]] = {}
    for cell in material.run.cells:
        scenarios.setdefault(f"{cell.file}::{cell.entry.scenario}", []).append(cell)
    incomplete = material.run.document.incomplete
    lines = ["KTAP version 1", f"1..{len(scenarios) + incomplete}"]
    lines.append(_diagnostic(f"daxhound {__version__}, {material.run.document.kernel}"))
    lines += [_diagnostic(f"partial: {note}") for note in material.run.notes]
    for number, (name, cells) in enumerate(scenarios.items(), start=1):
        # The order that the kernel's kunit.py parse wants.
        lines += ["  KTAP version 1", f"  # Subtest: {_plain(name)}", f"  1..{len(cells)}"]
        for inner, cell in enumerate(cells, start=1):
            lines += [f"  {line}" for line in _cell_lines(inner, cell)]
        lines.append(f"{_together(cells)} {number} {_plain(name)}{_directive(cells)}")
    if incomplete:
        # What did not run is in no scenario, and would pass for not chosen.
        why = _plain("; ".join(material.run.notes))[:_REASON_CHARACTERS]
        lines.append(f"not ok {len(scenarios) + 1} all-cells-have-run # ERROR {why}")
    return "\n".join(lines) + "\n"


def _cell_lines(number: int, cell: Cell) -> Iterator[str]:
    entry = cell.entry
    name = _plain(entry.id.split("::", 1)[-1] + _kernel(cell))
    reason = _plain(entry.reason)[:_REASON_CHARACTERS]
    if cell.spoilt_by:
        yield from map(_diagnostic, read_story(cell).text.splitlines())
        what = _plain(what_of(cell))[:_REASON_CHARACTERS]
        yield f"not ok {number} {name} # {cell.spoilt_by}: {what}"
    elif entry.verdict is Verdict.OK:
        for defect in cell.known_defects:
            yield _diagnostic(f"known defect: {defect}")
        yield f"ok {number} {name}"
    elif entry.verdict is Verdict.UNSUPPORTED:
        yield f"ok {number} {name} # SKIP {reason}"
    elif entry.verdict is Verdict.INFRASTRUCTURE:
        yield f"not ok {number} {name} # ERROR {reason}"
    else:
        yield from map(_diagnostic, read_story(cell).text.splitlines())
        yield f"not ok {number} {name} # {entry.verdict.value}: {reason}"


def _kernel(cell: Cell) -> str:
    return "" if cell.entry.kernel_spec is None else f" {cell.kernel_spec}"


def _together(cells: list[Cell]) -> str:
    sound = all(cell.entry.verdict.is_expected and not cell.spoilt_by for cell in cells)
    return "ok" if sound else "not ok"


def _directive(cells: list[Cell]) -> str:
    skipped = all(
        cell.entry.verdict is Verdict.UNSUPPORTED and not cell.spoilt_by for cell in cells
    )
    return " # SKIP every cell was" if skipped else ""


def _diagnostic(text: str) -> str:
    return f"# {printable(text)}".rstrip()


def _plain(text: str) -> str:
    """One line without the sign that begins a directive."""
    return printable(" ".join(text.split())).replace("#", "no. ")
