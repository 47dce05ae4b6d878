"""What making and mounting a file system must show."""

from __future__ import annotations

from harness.errors import UserError
from harness.model.availability import why_no_filesystem
from harness.model.machine import MIB, Machine
from harness.model.rules import RULES
from harness.model.state import GuestState, Mounted, Namespace, RegionState
from harness.records import Expected, Prediction, Rule
from harness.scenario.steps import Filesystem
from harness.units import format_size

XFS_SMALLEST = 300 * MIB


def predict_filesystem(state: GuestState, step: Filesystem) -> Prediction:
    """A ``filesystem`` step; what is mounted stays so."""
    lacking = why_no_filesystem(state.machine, step)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    outcome = mount(region.block, step) if step.make else _found(region, step)
    region.files = outcome if isinstance(outcome, Mounted) else None
    region.unmounted = None
    return Prediction(step.kind, expect_filesystem(state.machine, outcome))


def _found(region: RegionState, step: Filesystem) -> Mounted:
    """What an earlier step made there. Raises UserError where none did."""
    found = region.unmounted
    if found is None or found.type != step.type:
        raise UserError(
            f"filesystem: region {step.region} has no {step.type} that is not mounted",
            field="make",
            hint="a filesystem step that makes one, and a power-cycle after it",
        )
    return found


def mount(device: Namespace | None, step: Filesystem) -> Mounted | tuple[Rule, str]:
    """What comes of the step: a file system, or the rule that refuses it and why.

    Raises UserError for a file that its device may not hold.
    """
    if device is None or device.size_bytes == 0:
        return RULES["fs.needs-block-device"], "the region has no block device"
    if step.type == "xfs" and device.size_bytes < XFS_SMALLEST:
        return RULES["fs.xfs-smallest"], f"the device has {device.size_bytes:#x} bytes"
    direct = device.mode == "fsdax"
    if step.type == "ext4" and not direct:
        return RULES["fs.ext4-dax"], f"a {device.mode} namespace has no struct pages"
    room = device.size_bytes // 2
    if step.file_size > room:
        raise UserError(
            f"a file of {format_size(step.file_size)} does not fit on the device for certain:"
            " journal and inode tables take up to half of a small one",
            field="file_size",
            hint=f"up to {format_size(room)}",
        )
    return Mounted(device, step.type, step.file_size, direct, huge=step.huge)


def expect_filesystem(
    machine: Machine, outcome: Mounted | tuple[Rule, str]
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
        Expected("file_bytes", outcome.file_bytes, RULES["fs.file"]),
    )
