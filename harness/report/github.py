"""GitHub's annotations: a finding a line, at the scenario that it was found with."""

from __future__ import annotations

from harness.report.findings import COMPARED, KNOWN_DEFECT, Finding
from harness.report.material import Material
from harness.report.run import Run
from harness.report.summary import join, name_patches
from harness.report.text import printable
from harness.units import count

_NAMED = 8
_QUIET = ("fixed", "failing before", KNOWN_DEFECT)
_LEVELS = {"infrastructure": "warning", **dict.fromkeys(_QUIET, "notice")}


def render_github(material: Material) -> str:
    """Workflow commands; nothing where nothing was found and every cell has run."""
    run = material.run
    lines = [_annotation(run, finding) for finding in material.findings]
    if run.document.incomplete:
        lines += [f"::warning title=partial::{_data(printable(note))}" for note in run.notes]
    return "".join(f"{line}\n" for line in lines)


def _annotation(run: Run, finding: Finding) -> str:
    entry = finding.cells[0].entry
    file = entry.file or f"scenarios/{finding.cells[0].file}"
    place = {"file": file, "line": str(entry.line or 1)}
    place["title"] = f"{finding.word}: {entry.scenario} on {join(finding.targets)}"
    level = _LEVELS.get(finding.word, "error")
    properties = ",".join(f"{name}={_property(value)}" for name, value in place.items())
    return f"::{level} {properties}::{_data(_message(run, finding))}"


def _message(run: Run, finding: Finding) -> str:
    lines = [
        printable(entry) for entry in (finding.cells[0].entry.reason or finding.what).splitlines()
    ]
    if run.series is not None and finding.word in COMPARED:
        lines.insert(0, f"by {printable(name_patches(run, finding))}")
    names = [printable(cell.entry.id) for cell in finding.places]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    lines.append(f"{count(len(names), 'cell')}: {', '.join(names[:_NAMED])}{more}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
