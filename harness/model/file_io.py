"""What ``file-io`` must show: POSIX of files, whatever maps them."""

from __future__ import annotations

from harness.errors import UserError
from harness.model.availability import why_no_mode
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction
from harness.scenario.steps import FileIo
from harness.units import format_size

_PART = 4
"""What of a file system its own data is at the most, and the files of earlier steps."""


def predict_file_io(state: GuestState, step: FileIo) -> Prediction:
    """A ``file-io`` step; the region is as before. Raises UserError for a file without room."""
    lacking = why_no_mode(state.machine, "fsdax")
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    files = state.region(step.region).files
    if files is None:
        return Prediction(step.kind, (Expected("outcome", "no-device", RULES["gup.no-device"]),))
    room = (files.device.size_bytes - files.file_bytes) // _PART
    needed = step.STALE_PAGES * state.machine.page
    if needed > room:
        raise UserError(
            f"file-io: {format_size(needed)} may not fit beside the file",
            field="region",
            hint="a larger device, or a smaller file_size",
        )
    end = RULES["file.read-end"]
    expected = (
        Expected("outcome", "done", RULES["fs.file"]),
        Expected("sparse_bytes", step.size, end),
        Expected("tail_bytes", step.size, end),
        Expected("stale_bytes", 0, RULES["file.fresh-zero"]),
        Expected("modified", True, RULES["file.store-time"]),
    )
    return Prediction(step.kind, expected)
