"""A run as a reply on a mailing list: what was tested on what, and what came of it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from harness import __version__
from harness.records import Verdict
from harness.report.findings import COMPARED, KNOWN_DEFECT, Finding
from harness.report.idle import idle_summary
from harness.report.material import Material
from harness.report.run import Cell, Run
from harness.report.story import Story, read_emulation, read_story
from harness.report.summary import (
    describe_earlier,
    headline,
    join,
    name_kernels,
    name_patches,
    verdict_counts,
)
from harness.report.text import mismatch_lines, printable, printable_lines
from harness.units import count

COLUMNS = 72
TOLD_IN_FULL = 3
REPORT_LINES = 20
# What a kernel may be found to do and be recommended all the same.
_HARMLESS = (KNOWN_DEFECT, "fixed")

_LABEL = re.compile(r" +[a-z]+: +")
_TIME = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")
_REGISTERS = re.compile(
    r"GPR\d\d: |R\w\w: [0-9a-f]{16}|x\d+ *: |Krnl GPRS| {6,}[0-9a-f]{16} [0-9a-f]{16}"
)


def render_mail(material: Material) -> str:
    """Plain text of 72 columns; console lines that are longer go on in the next line."""
    run = material.run
    paragraphs = [
        _wrap(f"{headline(run, material.findings)}."),
        *(_wrap(f"Partial: {note}") for note in run.notes),
        _tested(run),
    ]
    if material.difference is not None:
        paragraphs.append(_wrap(" ".join(describe_earlier(run, material.difference))))
    for number, finding in enumerate(material.findings):
        paragraphs.append("\n".join(_finding(run, finding, number < TOLD_IN_FULL)))
    idle = idle_summary(cell.entry.idle for cell in run.cells)
    paragraphs += [f"{_wrap(line)}." for line in idle]
    if _is_clean(material) and (tested := _tested_targets(run)):
        paragraphs.append(f"Tested-by: NAME <ADDRESS> # {', '.join(tested)}")
    return "\n\n".join(paragraphs) + "\n"


def _wrap(text: str, indent: str = "", first: str | None = None) -> str:
    return textwrap.fill(
        printable(" ".join(text.split())),
        COLUMNS,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _tested(run: Run) -> str:
    """The table at the top: what was run."""
    counts = ", ".join(f"{n} {verdict.value}" for verdict, n in verdict_counts(run).items())
    compared = sum(cell.entry.compared for cell in run.cells)
    rules = len({rule for cell in run.cells for rule in cell.entry.rules})
    lines = [_row("kernel", ", ".join(name_kernels(run)))]
    if run.series is not None:
        lines.append(
            _row("series", f"{run.series.name}, {count(len(run.series.patches), 'patch')}")
        )
    targets = list(_targets(run))
    lines += [f"  {'' if n else 'targets':9}{line}"[:COLUMNS] for n, line in enumerate(targets)]
    lines.append(_row("cells", f"{len(run.cells)}: {counts or 'none'}"))
    lines.append(_row("values", f"{compared} compared with predictions of {rules} rules"))
    lines.append(_row("made by", f"daxhound {__version__}"))
    return "\n".join(lines)


def _row(name: str, text: str) -> str:
    return _wrap(text, " " * 11, f"  {name:9}")


def _targets(run: Run) -> Iterator[str]:
    for target in sorted({cell.entry.target for cell in run.cells}):
        cells = [cell for cell in run.cells if cell.entry.target == target]
        emulations = ", ".join(_emulations(cells))
        yield printable(f"{target:12} {count(len(cells), 'cell'):>10}  {emulations}".rstrip())


def _emulations(cells: list[Cell]) -> list[str]:
    found = (read_emulation(cell) for cell in cells)
    return sorted({f"QEMU {one.version} {one.accelerator.upper()}" for one in found if one})


def _finding(run: Run, finding: Finding, in_full: bool) -> Iterator[str]:
    by = ""
    if finding.word in COMPARED and run.series is not None:
        by = f" by {name_patches(run, finding)}"
    yield _wrap(f"{finding.word.capitalize()}{by}:", "  ", "")
    yield _wrap(
        f"{join(finding.scenarios)} on {join(finding.targets)}, "
        f"{count(len(finding.places), 'cell')}",
        "  ",
    )
    first = finding.cells[0]
    said, *quoted = printable_lines(finding.telling)
    yield _wrap(said, "  ")
    # What a compiler says stands in columns.
    lines = textwrap.dedent("\n".join(quoted)).expandtabs().splitlines()
    yield from _report(lines, len(lines))
    if in_full and first.failing:
        yield from _evidence(read_story(first))


def _evidence(story: Story) -> Iterator[str]:
    for step in story.steps:
        for mismatch in step.mismatches:
            yield ""
            for line in mismatch_lines(mismatch):
                label = _LABEL.match(line)
                head = label[0] if label else ""
                yield _wrap(line[len(head) :], " " * (2 + len(head)), f"  {head}")
    if story.report_lines:
        yield ""
        yield _wrap(f"{story.cell.entry.id}:", "  ")
        yield from _report(story.report_lines, story.report_length)


def _report(lines: Sequence[str], whole: int) -> Iterator[str]:
    """The first lines of ``whole`` that a kernel or compiler said, without times and registers."""
    told = [text for text in (_TIME.sub("", line) for line in lines) if not _REGISTERS.match(text)]
    for line in told[:REPORT_LINES]:
        yield from _quoted(line)
    if whole > REPORT_LINES:
        registers = ", registers left out" if len(told) < len(lines) else ""
        yield f"| [{count(whole, 'line')} in all{registers}]"


def _quoted(line: str) -> Iterator[str]:
    """A console line; one that is too long goes on behind a backslash."""
    room = COLUMNS - 3
    while len(line) > room:
        yield f"| {line[:room]}\\"
        line = line[room:]
    yield f"| {line}".rstrip()


def _is_clean(material: Material) -> bool:
    """Whether all cells that were to run did, and nothing is to be said against the kernel."""
    if material.run.notes or any(f.word not in _HARMLESS for f in material.findings):
        return False
    return all(cell.entry.verdict.is_expected for cell in material.run.cells)


def _tested_targets(run: Run) -> list[str]:
    """Those on which some cell had something to work on."""
    entries = (cell.entry for cell in run.cells)
    return sorted({e.target for e in entries if e.verdict is Verdict.OK and not e.idle})
