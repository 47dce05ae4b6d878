"""Cells in which steps had nothing to work on, since a step before them was refused.

As predicted, and so ok: but of what those steps are for they tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.records import CellResult, StepResult, Verdict
from harness.units import count

# What makes something for later steps; a fault that is refused leaves a device as it was.
_MAKERS = ("create-namespace", "create-device", "filesystem")


def idle_note(result: CellResult) -> str:
    """``gup-test, fault had nothing to work on: ...``; empty where every step had something."""
    refused: StepResult | None = None
    idle: dict[str, StepResult] = {}
    for step in result.steps:
        outcome = step.observation.values.get("outcome")
        if step.step in _MAKERS:
            refused = (refused or step) if outcome == "refused" else None
        elif outcome == "no-device" and refused is not None:
            idle.setdefault(step.step, refused)
    if not idle or result.verdict is not Verdict.OK:
        return ""
    why = next(iter(idle.values()))
    errno = why.observation.values.get("errno")
    told = f" ({errno})" if errno else ""
    return f"{', '.join(idle)} had nothing to work on: {why.step} was refused{told}"


def idle_summary(told: Iterable[str]) -> list[str]:
    """One line for all such cells of a run, of what :func:`idle_note` told of each cell."""
    notes = [note for note in told if note]
    if not notes:
        return []
    same = "steps had nothing to work on: one before them was refused"
    what = notes[0] if len(set(notes)) == 1 else same
    return [f"note, in {count(len(notes), 'cell')}: {what}"]
