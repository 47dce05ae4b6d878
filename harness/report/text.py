"""Sentences for people: what a failing cell says in a terminal, and a run's last line."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from harness.records import CellResult, Mismatch, Observation, Scalar, Verdict
from harness.report.idle import idle_summary
from harness.units import count, format_size

_CONSOLE_LINES = 40
_COMPLAINT_LINES = 6
_MOST_NAMED = 40


def render_failure(result: CellResult, *, folder: str, reproduce: str) -> str:
    """A failing cell, top-down: expected, seen, rule, kernel report, where, how again."""
    lines = [f"{result.id}: {result.verdict.value}", *_indented(result.reason)]
    lines += _indented(result.note) if result.note else []
    for step in result.steps:
        for mismatch in step.mismatches:
            lines += ["", *(f"  {line}" for line in mismatch_lines(mismatch))]
        if step.mismatches:
            lines += [f"    guest:    {line}" for line in _last_words(step.observation)]
    if result.report is not None:
        lines += ["", f"  kernel report: {printable(result.report.title)}"]
        shown = result.report.text.splitlines()[:_CONSOLE_LINES]
        lines += [f"  | {printable(line)}" for line in shown]
    kernel = ", revision ".join(filter(None, (result.kernel, result.revision)))
    lines += ["", f"  kernel:     {kernel}", f"  results:    {folder}"]
    lines += [f"  reproduce:  {reproduce}"]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in printable_lines(text)]


def _last_words(observation: Observation) -> list[str]:
    """What the step's commands complained about; all of it is in steps.jsonl."""
    said = [line for command in observation.commands for line in command.stderr.splitlines()]
    return [printable(line) for line in said if line.strip()][-_COMPLAINT_LINES:]


def mismatch_lines(mismatch: Mismatch) -> list[str]:
    """A value that differs: expected, observed, how that was reached, and where it is written."""
    expected = mismatch.expected
    relation = "" if expected.relation == "==" else f"{expected.relation} "
    lines = [
        f"step {mismatch.step}: {expected.name}",
        f"  expected: {relation}{render_value(expected.value)}",
        f"  observed: {render_value(mismatch.observed)}",
        f"  rule:     {expected.rule.id}: {expected.rule.statement}",
        f"  source:   {expected.rule.source}",
    ]
    if expected.because:
        lines.insert(4, f"  because:  {expected.because}")
    return lines


def render_value(value: Scalar) -> str:
    """A value as it is, and a size beside it where it is one."""
    if value is None:
        return "(nothing)"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 65536:
        size = format_size(value)
        return f"{value} ({size}, {value:#x})" if size != str(value) else f"{value} ({value:#x})"
    return printable(str(value))


def printable(text: str) -> str:
    """Text from a guest with everything that a terminal might obey made visible."""
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


def printable_lines(text: str) -> list[str]:
    """As :func:`printable`, of text that keeps its line breaks."""
    return [printable(line) for line in text.split("\n")]


def render_summary(cells: Iterable[Mapping[str, Any]], rules_known: Collection[str] = ()) -> str:
    """The end of a run: verdicts, values compared, rules exercised, and rules that were not.

    A rule that no guest of this run was held to is unproved by it, however right.
    """
    cells = list(cells)
    verdicts = Counter(str(cell["verdict"]) for cell in cells)
    counts = ", ".join(f"{verdicts[v.value]} {v.value}" for v in Verdict if verdicts[v.value])
    compared = sum(int(cell["compared"]) for cell in cells)
    rules = {rule for cell in cells for rule in cell["rules"]}
    line = (
        f"{count(len(cells), 'cell')}: {counts or 'none'}; "
        f"{count(compared, 'value')} compared by {count(len(rules), 'rule')}"
    )
    lines = [line]
    again = sum(bool(cell["retried"]) for cell in cells)
    if again:
        lines.append(f"{count(again, 'cell')} tried again after the host's trouble: see the notes")
    lines += _known_defects(cells)
    lines += idle_summary(str(cell.get("idle") or "") for cell in cells)
    lines += _unproved(sorted(set(rules_known) - rules), len(rules_known))
    return "\n".join(lines)


def _unproved(rules: Sequence[str], known: int) -> list[str]:
    """Rules by name where a whole matrix leaves some; of a small run their number will do."""
    if len(rules) > _MOST_NAMED:
        return [f"{len(rules)} of the model's {known} rules were not exercised"]
    told = f"{count(len(rules), 'rule')} unproved by this run"
    names = textwrap.fill(", ".join(rules), 96, break_on_hyphens=False)
    return [f"{told}:", textwrap.indent(names, "  ")] if rules else []


def _known_defects(cells: Iterable[Mapping[str, Any]]) -> list[str]:
    """What kernels are known to do wrong and did, with the cells that showed it."""
    shown: dict[str, list[str]] = {}
    for cell in cells:
        for defect in cell.get("known_defects", ()):
            shown.setdefault(f"{defect['rule']}: {defect['statement']}", []).append(cell["id"])
    lines = []
    for what, names in shown.items():
        words = f"known defect, in {count(len(names), 'cell')}: {what}"
        lines += textwrap.wrap(words, 96, subsequent_indent="  ")
        lines += [f"    {name}" for name in names]
    return lines
