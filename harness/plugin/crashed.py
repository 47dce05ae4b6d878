"""Cells that the harness did not come to the end of: the host's trouble, whatever it was."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from harness.campaign.order import Order
from harness.errors import InfrastructureError
from harness.records import CellResult, Verdict
from harness.report.results import entry_to_json

# What pytest-xdist puts for the phase of a test that took its worker along
# (xdist/dsession.py, handle_crashitem).
CRASHED = "???"


def broken_cell(order: Order, kernel: str, error: Exception) -> CellResult:
    """The result of a run that ended in a mistake of the harness, or in the host's trouble."""
    from harness.campaign.cell import unbuilt

    said = str(error) or "no message"
    reason = said if isinstance(error, InfrastructureError) else f"{type(error).__name__}: {said}"
    return unbuilt(order, kernel, Verdict.INFRASTRUCTURE, reason, phase="worker")


def crashed_cell(nodeid: str, said: str, kernel: str, targets: Collection[str]) -> dict[str, Any]:
    """The entry of run.json for a cell whose pytest-xdist worker was killed.

    The controller knows its name and no more; ``said`` is xdist's message.
    """
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
