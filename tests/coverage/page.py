"""docs/coverage.md: what was asked for, by target and kernel, as runs on guests showed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.records import Verdict
from harness.report.run import Cell, Run
from harness.units import count
from tests.coverage.families import Family, Thread

_INTRODUCTION = """\
# Coverage

Made by `python -m tests.coverage RESULTS...` of runs on guests. What was asked for, and which
scenarios do it, is in [coverage.yaml](coverage.yaml). A number is cells that ended as predicted;
"defect" are those among them that met a known defect of the kernel ([model.md](model.md)). A
dash: no scenario of the family names the target. Of a cell in several runs the last counts.
"""


def render_coverage(threads: Sequence[Thread], runs: Iterable[Run]) -> str:
    """The whole page: a table a kernel. Of a cell in several runs the last counts."""
    cells: dict[str, dict[str, Cell]] = {}
    for run in runs:
        for cell in run.cells:
            cells.setdefault(cell.kernel_spec, {})[cell.entry.id] = cell
    parts = [_INTRODUCTION]
    for kernel, ran in cells.items():
        parts.append("\n".join(_kernel(kernel, list(ran.values()), threads)))
    return "\n".join(parts)


def _kernel(kernel: str, cells: Sequence[Cell], threads: Sequence[Thread]) -> Iterator[str]:
    targets = sorted({cell.entry.target for cell in cells})
    compared = sum(cell.entry.compared for cell in cells)
    rules = {rule for cell in cells for rule in cell.entry.rules}
    release = ", ".join(sorted({c.entry.kernel for c in cells if c.entry.compared}))
    yield f"## {kernel} ({release})\n"
    yield f"{count(len(cells), 'cell')}; {compared:,} values compared by {len(rules)} rules.\n"
    reasons: dict[str, int] = {}
    yield f"| asked for | {' | '.join(targets)} |"
    yield "|---|" + "---|" * len(targets)
    for thread in threads:
        yield f"| **{thread.thread}** |" + " |" * len(targets)
        for family in thread.asked:
            words = (_word(_of(cells, family, target), reasons) for target in targets)
            yield f"| {family.what} | {' | '.join(words)} |"
    yield ""
    yield from (f"{number}. {reason}" for reason, number in reasons.items())
    yield ""


def _of(cells: Iterable[Cell], family: Family, target: str) -> list[Cell]:
    return [c for c in cells if c.entry.target == target and family.has(c.entry.scenario)]


def _word(cells: Sequence[Cell], reasons: dict[str, int]) -> str:
    """What became of a family on one target; ``reasons`` of unsupported cells are numbered."""
    if not cells:
        return "-"
    words = []
    by_verdict = Counter(cell.entry.verdict for cell in cells)
    if passed := by_verdict.pop(Verdict.OK, 0):
        defects = sum(1 for c in cells if c.entry.verdict is Verdict.OK and c.entry.known_defects)
        words.append(f"{passed}" + (f" ({count(defects, 'defect')})" if defects else ""))
    if by_verdict.pop(Verdict.UNSUPPORTED, 0):
        unsupported = {c.entry.reason for c in cells if c.entry.verdict is Verdict.UNSUPPORTED}
        notes = sorted(reasons.setdefault(reason, len(reasons) + 1) for reason in unsupported)
        words.append(f"unsupported: {', '.join(map(str, notes))}")
    words += [f"**{number} {verdict}**" for verdict, number in by_verdict.items()]
    return "; ".join(words)
