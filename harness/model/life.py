"""What a process sees whose memory is taken away, and who waits for its pages meanwhile."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import UserError
from harness.model import complaints
from harness.model.availability import why_no_mode
from harness.model.geometry import Span
from harness.model.machine import POWERPC
from harness.model.rules import RULES
from harness.model.state import GuestState, Mounted, Namespace, RegionState
from harness.records import Expected, Prediction, Rule
from harness.scenario.life_steps import TakeAway
from harness.units import align_down, align_up, format_size

_WRITE_BYTES = 64 << 10
"""What the writer writes at once."""


def predict_take_away(state: GuestState, step: TakeAway) -> Prediction:
    """A ``take-away`` step; the region is as before. Raises UserError for one without sense."""
    lacking = why_no_mode(state.machine, "raw" if step.memory == "block" else step.memory)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    held = _used(region, step)
    if held is None:
        return Prediction(step.kind, (Expected("outcome", "no-device", RULES["gup.no-device"]),))
    _check(region, step, held)
    if isinstance(held, Mounted):
        return Prediction(step.kind, _of_file(region, step, held))
    if step.memory == "block":
        return Prediction(step.kind, _of_block(held))
    said = complaints.of_holding if step.hold else complaints.of_touching
    if used := said(state.machine, held):
        return Prediction(step.kind, used)
    complaint = complaints.of_unbinding(state.machine, held, holds=step.hold)
    if complaint:
        _check_unmapped(state, held)
    return Prediction(step.kind, complaint or _of_device(step, held))


def _used(region: RegionState, step: TakeAway) -> Namespace | Mounted | None:
    if step.memory == "fsdax":
        return region.files
    return region.devdax if step.memory == "devdax" else region.block


def _check(region: RegionState, step: TakeAway, held: Namespace | Mounted) -> None:
    if step.via == "truncate" and step.memory != "fsdax":
        raise UserError("a device has no end to be cut off", field="via", hint="disable")
    if step.memory == "block" and (step.hold or region.files is not None):
        message = "take-away: a block device is written to, and has no file system meanwhile"
        raise UserError(message, field="memory", hint="hold: false, before a filesystem")
    if step.via == "disable" and len(region.namespaces) > 1:
        message = f"take-away: region {step.region} has more than one namespace to disable"
        raise UserError(message, field="region", hint="a region with one")
    if isinstance(held, Mounted):
        if not held.dax:
            raise UserError("take-away: the file is not mapped directly", field="memory")
        room, unit = held.file_bytes, 1
    else:
        room, unit = held.size_bytes, held.align if step.memory == "devdax" else _WRITE_BYTES
    if step.size > room or step.size % unit:
        raise UserError(
            f"take-away: {format_size(step.size)} cannot be mapped",
            field="size",
            hint=f"{format_size(room)} or less, in units of {format_size(unit)}",
        )


def _check_unmapped(state: GuestState, device: Namespace) -> None:
    """On powerpc a block of struct pages stays mapped while anything else of it is there.

    What becomes of a struct page that is given up in one is not predicted.
    """
    machine = state.machine
    if machine.mmu not in POWERPC:
        return
    reach = machine.vmemmap_page // machine.kernel.struct_page_bytes * machine.page
    block = Span(align_down(device.start, reach), align_up(device.start + 1, reach))
    shared = sum(span.meets(block) for span in state.spans()) > 1
    if shared or block.start < machine.layout.ram_bytes:
        raise UserError(
            "take-away: other memory shares the block of struct pages, which then stays mapped",
            field="hold",
            hint=f"a device by itself between two multiples of {format_size(reach)}",
        )


def _of_block(device: Namespace) -> tuple[Expected, ...]:
    fails = RULES["life.io-fails"]
    return (
        Expected("outcome", "taken", fails),
        Expected("write_failed", True, fails),
        Expected("restored_bytes", device.size_bytes, RULES["life.enabled-again"]),
    )


def _of_device(step: TakeAway, device: Namespace) -> tuple[Expected, ...]:
    gone = RULES["life.device-gone"]
    return (
        Expected("outcome", "taken", gone),
        *_expect_held(step, waited=step.hold),
        *_expect_signal("SIGBUS", gone),
        Expected("restored_bytes", device.size_bytes, RULES["life.enabled-again"]),
    )


def _of_file(region: RegionState, step: TakeAway, files: Mounted) -> tuple[Expected, ...]:
    size = Expected("restored_bytes", files.file_bytes, RULES["fs.file"])
    if step.via == "disable":
        mounted = RULES["life.mounted"]
        return (
            Expected("outcome", "refused", mounted),
            Expected("errno", "EBUSY", mounted),
            *_expect_held(step, waited=False),
            *_expect_signal(None, mounted),
            size,
        )
    region.files = replace(files, sparse=True)
    return (
        Expected("outcome", "taken", RULES["life.truncated"]),
        *_expect_held(step, waited=step.hold),
        *_expect_signal("SIGBUS", RULES["file.past-end"]),
        size,
    )


def _expect_held(step: TakeAway, *, waited: bool) -> tuple[Expected, Expected]:
    rule = RULES["life.waits" if waited else "life.nothing-held"]
    return (
        Expected("held_pages", int(step.hold), RULES["life.held"]),
        Expected("waited", waited, rule),
    )


def _expect_signal(name: str | None, rule: Rule) -> tuple[Expected, ...]:
    code = None if name is None else "BUS_ADRERR"
    return (Expected("signal", name, rule), Expected("code", code, rule))
