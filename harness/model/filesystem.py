"""What making, mounting and using a file system or a plain block device must show."""

from __future__ import annotations

from harness.errors import UserError
from harness.model.availability import why_no_filesystem, why_no_mode
from harness.model.machine import MIB, Machine
from harness.model.rules import RULES
from harness.model.state import GuestState, Mounted, Namespace
from harness.records import Expected, Prediction, Rule
from harness.scenario.steps import Filesystem, WriteRead
from harness.units import format_size

XFS_SMALLEST = 300 * MIB


def predict_filesystem(state: GuestState, step: Filesystem) -> Prediction:
    """A ``filesystem`` step; what is mounted stays so."""
    lacking = why_no_filesystem(state.machine, step)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    outcome = mount(region.block, step)
    region.files = outcome if isinstance(outcome, Mounted) else None
    return Prediction(step.kind, expect_filesystem(state.machine, step, outcome))


def predict_write_read(state: GuestState, step: WriteRead) -> Prediction:
    """A ``write-read`` step. Raises UserError for more than the device holds."""
    lacking = why_no_mode(state.machine, "raw")
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    device = state.region(step.region).block
    if device is None:
        refused = Expected("outcome", "refused", RULES["fs.needs-block-device"])
        return Prediction(step.kind, (refused,))
    return Prediction(step.kind, expect_write_read(device, step))


def mount(device: Namespace | None, step: Filesystem) -> Mounted | tuple[Rule, str]:
    """What comes of the step: a file system, or the rule that refuses it and why.

    Raises UserError for a file that its device could never hold.
    """
    if device is None or device.size_bytes == 0:
        return RULES["fs.needs-block-device"], "the region has no block device"
    if step.type == "xfs" and device.size_bytes < XFS_SMALLEST:
        return RULES["fs.xfs-smallest"], f"the device has {device.size_bytes:#x} bytes"
    direct = device.mode == "fsdax"
    if step.type == "ext4" and not direct:
        return RULES["fs.ext4-dax"], f"a {device.mode} namespace has no struct pages"
    if step.file_size >= device.size_bytes:
        raise UserError(
            f"a file of {format_size(step.file_size)} does not fit on the device",
            field="file_size",
            hint=f"less than {format_size(device.size_bytes)}",
        )
    return Mounted(step.file_size, direct)


def expect_filesystem(
    machine: Machine, step: Filesystem, outcome: Mounted | tuple[Rule, str]
) -> tuple[Expected, ...]:
    """Values that a ``filesystem`` step must show."""
    if not isinstance(outcome, Mounted):
        rule, because = outcome
        return (Expected("outcome", "refused", rule, because=because),)
    rule = RULES["fs.dax" if outcome.dax else "fs.xfs-without-dax"]
    return (
        Expected("outcome", "mounted", rule),
        Expected("dax", outcome.dax, rule),
        Expected("block_bytes", machine.page, RULES["fs.block-size"]),
        Expected("file_bytes", step.file_size, RULES["fs.file"]),
    )


def expect_write_read(device: Namespace, step: WriteRead) -> tuple[Expected, ...]:
    """Values of a ``write-read`` step. Raises UserError for more than the device holds."""
    if step.size > device.size_bytes:
        raise UserError(
            f"write-read of {format_size(step.size)} does not fit on the device",
            field="size",
            hint=f"{format_size(device.size_bytes)} or less",
        )
    rule = RULES["block.write-read"]
    return (Expected("outcome", "identical", rule), Expected("bytes", step.size, rule))
