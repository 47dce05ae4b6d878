"""What ``file-io`` must show: POSIX of files, whatever maps them."""

from __future__ import annotations

from harness.errors import UserError
from harness.model.availability import why_no_mode
from harness.model.capacity import check_anonymous
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction
from harness.scenario.steps import FileIo
from harness.units import align_down, format_size

_PART = 4
"""What of a file system its own data is at the most, and the files of earlier steps."""

_READ_MOST = (1 << 31) - 1
"""In whole pages: MAX_RW_COUNT (include/linux/fs.h)."""


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
    _check_read(state, step)
    end = RULES["file.read-end"]
    expected = (
        Expected("outcome", "done", RULES["fs.file"]),
        Expected("sparse_bytes", step.size, end),
        Expected("tail_bytes", step.size, end),
        Expected("stale_bytes", 0, RULES["file.fresh-zero"]),
        Expected("modified", True, RULES["file.store-time"]),
    )
    return Prediction(step.kind, expected)


def _check_read(state: GuestState, step: FileIo) -> None:
    """Raise UserError for more than one read() gives, or than fits into RAM in one piece."""
    most = align_down(_READ_MOST, state.machine.page)
    if step.size > most:
        raise UserError(
            f"file-io: one read() gives {most:#x} bytes at the most",
            field="size",
            hint=f"{most:#x} or less",
        )
    check_anonymous(state, step.size, beside=step.BEHIND)
