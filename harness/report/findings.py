"""What a run found, grouped as a person would tell it: what, because of which patch, where.

A cell's ``word`` is the comparison's where there is one (with the series against without),
else that against an earlier run, else what the verdict says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.reasons import lasting_reason
from harness.records import Verdict
from harness.report.run import Cell

# Most telling first; the order of every list of findings.
WORDS: dict[str, str] = {
    "regressed": "ok without the series, failing with it",
    "build-broken": "the kernel builds without the series, not with it",
    "new failure": "failing, and did not in the earlier run",
    "fails otherwise": "failing in another way than in the earlier run",
    "changed": "another outcome than without the series",
    "failing": "failing",
    "still failing": "failing, as in the earlier run",
    "failing before": "failing, with the series and without it",
    "known defect": "as predicted: a defect of the kernel that the model knows of",
    "infrastructure": "the host failed: says nothing about the kernel",
    "fixed": "failing, or with a known defect, before; ok now",
}
KNOWN_DEFECT = "known defect"
QUIET = ("", "unchanged")
# What a comparison within a series says.
COMPARED = ("regressed", "build-broken", "changed", "fixed")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that happened in one or more cells, the first of them telling."""

    word: str
    patch: int | None
    patch_subject: str | None
    what: str
    cells: tuple[Cell, ...]

    @property
    def places(self) -> tuple[Cell, ...]:
        """The cells, each once where it stays so from patch to patch."""
        first: dict[tuple[str, str], Cell] = {}
        for cell in self.cells:
            first.setdefault((cell.stem, cell.kernel_spec), cell)
        return tuple(first.values())

    @property
    def telling(self) -> str:
        """What the first cell says of it."""
        entry = self.cells[0].entry
        if entry.verdict.is_expected:
            # Why a kernel cannot have it is no more than half of what a series changed.
            return ": ".join(dict.fromkeys(filter(None, (self.what, entry.reason))))
        return entry.report or entry.reason or self.what

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.entry.target for cell in self.cells))

    @property
    def scenarios(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.entry.scenario for cell in self.cells))


def word_of(cell: Cell, earlier: Mapping[tuple[str, str], str] | None = None) -> str:
    """How a cell is told of in one of ``WORDS``; empty for one that has nothing to tell.

    ``earlier`` maps ids and kernels to words of :func:`harness.report.difference.compare_runs`.
    """
    comparison = cell.entry.comparison
    if comparison is not None:
        if comparison.word in COMPARED:
            return comparison.word.value
        if comparison.word == "infrastructure":
            # Of the other kernel nothing is known; of this one that it fails.
            return "failing" if cell.failing else "infrastructure"
        if cell.failing:
            return "failing before"
    elif cell.patch == 0 and cell.failing:
        return "failing before"
    if cell.entry.verdict is Verdict.INFRASTRUCTURE:
        return "infrastructure"
    alone = "failing" if cell.failing else KNOWN_DEFECT if cell.known_defects else ""
    return alone if earlier is None else earlier.get(cell.key[:2], alone)


def what_of(cell: Cell) -> str:
    """What happened, in words that are the same for the same thing on another target."""
    if cell.entry.verdict.is_expected:
        return _of_a_series(cell) or next(iter(cell.known_defects), "") or _reason_of(cell)
    if cell.entry.report:
        return cell.entry.report
    if cell.entry.verdict is Verdict.MISMATCH:
        # "create-namespace: size_bytes is 1, expected == 2": the values differ by target.
        return re.split(r" is (?=.*, expected )", cell.entry.reason, maxsplit=1)[0]
    if cell.entry.verdict is Verdict.KERNEL_FAILURE:
        return lasting_reason(cell.entry.reason)
    return _reason_of(cell)


def _reason_of(cell: Cell) -> str:
    first, *_ = cell.entry.reason.splitlines() or [cell.entry.verdict.value]
    return first


def _of_a_series(cell: Cell) -> str:
    """What a series did to a cell that is as expected with it; empty where it did nothing."""
    comparison = cell.entry.comparison
    if comparison is None or comparison.word not in COMPARED:
        return ""
    if comparison.word == "regressed" and comparison.defects_new:
        return comparison.defects_new[0]
    missed = [one for one in comparison.intended if not one.met]
    if missed:
        wanted = missed[0].intention
        return f"{wanted.step}: {wanted.value} does not become {wanted.becomes}, as was intended"
    base = comparison.base
    if base is None or comparison.word == "regressed":
        return ""
    before = (*base.reason.splitlines(), *comparison.defects_gone, base.verdict.value)
    return f"{before[0]}; now {cell.entry.verdict.value}"


def find(
    cells: Iterable[Cell], earlier: Mapping[tuple[str, str], str] | None = None
) -> tuple[Finding, ...]:
    """Every finding, most telling first.

    Of a run per patch, what one patch brought and the next ones keep is the first's.
    """
    groups: dict[tuple[str, int | None, str], list[Cell]] = {}
    lasting: dict[tuple[str, str], tuple[str, int | None, str]] = {}
    for cell in sorted(cells, key=lambda cell: cell.patch or 0):
        word = word_of(cell, earlier)
        where = cell.stem, cell.kernel_spec
        if word in QUIET:
            lasting.pop(where, None)
            continue
        before = lasting.get(where)
        key = (word, cell.patch, what_of(cell))
        if before is not None and before[2] == key[2] and word in (before[0], "failing before"):
            key = before
        lasting[where] = key
        groups.setdefault(key, []).append(cell)
    order = list(WORDS)

    def rank(key: tuple[str, int | None, str]) -> tuple[int, int, bool]:
        crashed = groups[key][0].entry.verdict is Verdict.KERNEL_FAILURE
        return order.index(key[0]), key[1] or 0, not crashed

    ranked = sorted(groups, key=rank)
    return tuple(_finding(key, groups[key]) for key in ranked)


def _finding(key: tuple[str, int | None, str], cells: list[Cell]) -> Finding:
    word, patch, what = key
    comparison = cells[0].entry.comparison
    subject = comparison.patch_subject if comparison else None
    return Finding(word, patch, subject, what, tuple(cells))
