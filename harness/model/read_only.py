"""What a region must show that is made read-only and writable again, and its block device."""

from __future__ import annotations

from harness.errors import UserError
from harness.model.availability import why_no_pmem
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction
from harness.scenario.life_steps import ReadOnly


def predict_read_only(state: GuestState, step: ReadOnly) -> Prediction:
    """A ``read-only`` step; all is as before. Raises UserError for a mounted block device."""
    lacking = why_no_pmem(state.machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    if region.files is not None:
        raise UserError(
            f"read-only: a file system is mounted on the device of region {step.region}",
            field="region",
            hint="read-only before the file system is made",
        )
    has_disk = region.block is not None
    expected = (*_expect("set", 1, has_disk), *_expect("cleared", 0, has_disk))
    return Prediction(step.kind, expected)


def _expect(name: str, read_only: int, has_disk: bool) -> tuple[Expected, ...]:
    itself = Expected(f"{name}.region", read_only, RULES["region.read-only"])
    if not has_disk:
        return (itself,)
    writes = RULES["block.read-only"]
    refused = (Expected(f"{name}.errno", "EPERM", writes),) if read_only else ()
    return (
        itself,
        Expected(f"{name}.disk", read_only, RULES["region.disk-follows"]),
        Expected(f"{name}.written", not read_only, writes),
        *refused,
    )
