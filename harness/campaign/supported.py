"""Whether a cell's guest can have what its steps need, told before it boots."""

from __future__ import annotations

from harness.errors import UserError
from harness.model import Model
from harness.scenario.expand import Cell


def why_unsupported(model: Model, cell: Cell) -> str | None:
    """As :meth:`Model.unsupported`. Raises UserError with the place of a step that cannot be."""
    reasons = model.reasons(cell.steps)
    for index in range(len(cell.steps)):
        try:
            reason = next(reasons)
        except UserError as exc:
            raise cell.error(index, exc) from exc
        if reason is not None:
            return reason
    return None
