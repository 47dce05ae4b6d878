"""A cell whose pytest-xdist worker was killed: the controller knows its name and no more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from harness.records import CellResult, Verdict
from harness.report.results import entry_to_json

# What pytest-xdist puts for the phase of a test that took its worker along
# (xdist/dsession.py, handle_crashitem).
CRASHED = "???"


def crashed_cell(nodeid: str, said: str, kernel: str, targets: Collection[str]) -> dict[str, Any]:
    """The entry of run.json for a cell that nobody finished; ``said`` is xdist's message."""
    file, _, name = nodeid.partition("::")
    scenario, _, parameters = name.partition("[")
    known = [target for target in targets if parameters.startswith(target)]
    result = CellResult(
        id=f"{file.rpartition('/')[2]}::{name}",
        scenario=scenario,
        target=max(known, key=len, default=""),
        kernel=kernel,
        verdict=Verdict.INFRASTRUCTURE,
        reason=said.strip(),
        seconds=0.0,
        guest_seconds=0.0,
        phase="worker",
    )
    return entry_to_json(result, file=file, line=0, reproduce=f"pytest '{nodeid}'")
