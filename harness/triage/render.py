"""What triage found, for people and for programs. Nothing of a log reaches a terminal raw."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.shipped import shown
from harness.triage.finding import Finding
from harness.triage.suggest import Suggestion
from harness.units import format_size

Answer = tuple[Finding, Suggestion | None]


def render_json(answers: Sequence[Answer]) -> str:
    """``{"reports": [...]}``; sizes are bytes, what is not known is null."""
    return json.dumps({"reports": [_as_data(*answer) for answer in answers]}, indent=1)


def _as_data(finding: Finding, suggestion: Suggestion | None) -> dict[str, Any]:
    report = finding.report
    return {
        "title": report.title,
        "function": report.function,
        "kind": report.kind,
        "severity": report.severity,
        "first_line": report.first_line,
        "last_line": report.last_line,
        "fingerprint": report.fingerprint,
        "arch": finding.arch,
        "mmu": finding.mmu,
        "page_size": finding.page_size,
        "kernel": finding.kernel,
        "suggestion": suggestion
        and {
            "scenario": suggestion.cell.scenario,
            "cell": suggestion.cell.id,
            "target": suggestion.cell.target.name,
            "steps": [step.kind for step in suggestion.cell.steps],
            "run": _command(suggestion),
            "reasons": list(suggestion.reasons),
        },
    }


def render_text(answers: Sequence[Answer]) -> str:
    """A paragraph a report."""
    if not answers:
        return "no kernel report"
    return "\n\n".join("\n".join(_paragraph(*answer)) for answer in answers)


def _paragraph(finding: Finding, suggestion: Suggestion | None) -> list[str]:
    report = finding.report
    known = (finding.arch, finding.mmu, finding.page_size and format_size(finding.page_size))
    machine = ", ".join(str(word) for word in known if word) or "not told"
    lines = [
        _printable(report.title),
        f"  kind:         {report.kind} ({report.severity})",
        f"  function:     {_printable(report.function or 'not told')}",
        f"  lines:        {report.first_line} to {report.last_line}",
        f"  machine:      {machine}",
        f"  kernel:       {_printable(finding.kernel or 'not told')}",
        f"  fingerprint:  {report.fingerprint}",
    ]
    if suggestion is None:
        return [*lines, "  scenario:     none shipped touches what the trace names"]
    cell = suggestion.cell
    lines.append(f"  scenario:     {cell.scenario} on {cell.target.name}: {cell.summary}")
    lines += [f"    because     {_printable(reason)}" for reason in suggestion.reasons]
    lines.append(f"    layout      {_layout(suggestion)}")
    lines.append(f"    steps       {', '.join(step.kind for step in cell.steps)}")
    lines.append(f"    run         {_command(suggestion)}")
    return lines


def _layout(suggestion: Suggestion) -> str:
    layout = suggestion.cell.layout
    devices = [
        f"pmem of {format_size(device.size_bytes)} at {device.start:#x}" for device in layout.pmem
    ]
    set_aside = [
        f"{format_size(part.size_bytes)} of it set aside at {part.start:#x}"
        for part in layout.soft_reserved
    ]
    return ", ".join([f"{format_size(layout.ram_bytes)} of RAM", *set_aside, *devices])


def _command(suggestion: Suggestion) -> str:
    cell = suggestion.cell
    kernel = f" --kernel {suggestion.kernel}" if suggestion.kernel else ""
    return f"pytest '{shown(cell.path.parent)}/{cell.id}' --arch {cell.target.name}{kernel}"


def _printable(text: str) -> str:
    """Text of a log with everything that a terminal might obey made visible."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
