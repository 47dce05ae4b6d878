"""From the words of a report to the shipped scenario that is most likely to show it again.

What points where is data: ``hints.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.observe.frames import find_all
from harness.scenario.expand import Cell, expand
from harness.scenario.find import find_scenario
from harness.target import Target
from harness.triage.finding import Finding
from harness.units import format_size
from harness.yaml_document import Record, load_documents

HINTS = Path(__file__).with_name("hints.yaml")
_MMU_WEIGHT = 3
_ENOUGH = 2  # two functions, or one that is at fault, or words
_CHANCE = ("oom",)  # whoever asked for a page just then


class Hint(Record):
    """Functions, words and an MMU that speak for one scenario, and why they do."""

    scenario: str
    functions: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    mmu: Literal["hash", "radix"] | None = None
    because: str


class _Hints(Record):
    hints: tuple[Hint, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A cell to run: ``reasons`` are sentences, the most telling first.

    ``kernel`` is the one of Debian's that is nearest to the report's, where that is told.
    """

    cell: Cell
    reasons: tuple[str, ...]
    kernel: str | None = None


def load_hints(path: Path = HINTS) -> tuple[Hint, ...]:
    """The table. Raises UserError with file, line and field."""
    return tuple(hint for document in load_documents(path) for hint in document.read(_Hints).hints)


def suggest(
    finding: Finding,
    hints: Iterable[Hint],
    targets: Mapping[str, Target],
    versions: Iterable[str] = (),
) -> Suggestion | None:
    """The best scenario and target for a report; None where nothing points to any.

    ``versions`` are those of the kernels that there are, such as ``6.12``.
    """
    if finding.report.kind in _CHANCE:
        return None
    named = find_all(finding.report.text)
    weighed = [(_signs(hint, finding, named), hint) for hint in hints]
    signs, best = max(weighed, key=lambda pair: pair[0].weight, default=(_Signs(), None))
    if best is None or not signs.weight:
        return None
    cell, why = _cell(best, finding, targets)
    if cell is None:
        return None
    reasons, kernel = (best.because, *signs.reasons, why), None
    if version := nearest_version(finding.kernel or "", versions):
        kernel = f"debian:{version}"
        reasons = (*reasons, f"{kernel} is the nearest to {finding.kernel}")
    return Suggestion(cell, reasons, kernel)


def nearest_version(release: str, versions: Iterable[str]) -> str | None:
    """The version that is the fewest releases away; None where the release is none."""
    said = re.match(r"(\d{1,4})\.(\d{1,4})", release)
    if said is None:
        return None
    return min(versions, key=lambda one: abs(_rank(one) - _rank(said[0])), default=None)


def _rank(version: str) -> int:
    """Counts releases: after 19 or 20 of them, Linux begins the next major version."""
    major, minor = map(int, version.split("."))
    return 20 * major + minor


@dataclass(frozen=True, slots=True)
class _Signs:
    weight: int = 0
    reasons: tuple[str, ...] = ()


def _signs(hint: Hint, finding: Finding, functions: Iterable[str]) -> _Signs:
    """What of a report speaks for a hint. An MMU alone is nothing; a wrong one rules it out."""
    if hint.mmu is not None and hint.mmu != finding.mmu:
        return _Signs()
    named = [name for name in functions if _matches(name, hint.functions)]
    said = [word for word in hint.words if word in finding.report.text]
    weight = len(named) + 2 * len(said)
    if _matches(finding.report.function or "", hint.functions):
        weight += 2
    if weight < _ENOUGH:
        return _Signs()
    reasons = []
    if named:
        reasons.append(f"the trace has {', '.join(named)}")
    if said:
        reasons.append(f"the report says {', '.join(repr(word) for word in said)}")
    if hint.mmu is not None:
        weight += _MMU_WEIGHT
        reasons.append(f"its MMU is {hint.mmu}")
    return _Signs(weight, tuple(reasons))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _cell(hint: Hint, finding: Finding, targets: Mapping[str, Target]) -> tuple[Cell | None, str]:
    """The first cell on the target that is nearest to the report's machine, and why there."""
    scenario = find_scenario(hint.scenario)
    cells = list(expand(scenario, targets))
    same = [cell for cell in cells if _is_machine(cell.target, finding)]
    alike = [c for c in same if finding.page_size in (None, c.target.mmu.page_size)]
    # A variant is what a report is of where it says so.
    nearest = sorted(alike or same, key=lambda cell: not cell.target.is_main)
    if nearest and (alike or finding.page_size is None):
        return nearest[0], f"{nearest[0].target.name} is the report's machine"
    if nearest and finding.page_size is not None:
        told = (
            f"nearest to the report's machine, which has pages of {format_size(finding.page_size)}"
        )
        return nearest[0], f"{nearest[0].target.name} is {told}"
    first = cells[0] if cells else None
    told = f"no target is {finding.arch}" if finding.arch else "the report names no architecture"
    return first, f"{told}: the scenario's first target is taken"


def _is_machine(target: Target, finding: Finding) -> bool:
    """Whether architecture and MMU are the report's, as far as it tells them."""
    if finding.mmu is not None:
        return finding.mmu in target.name.split("-")
    return finding.arch is not None and target.arch == finding.arch
