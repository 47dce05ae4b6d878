"""What data shows that is written to a namespace and read back, at once or after a while."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import UserError
from harness.model import complaints
from harness.model.availability import why_no_mode
from harness.model.capacity import check_anonymous
from harness.model.rules import RULES
from harness.model.state import GuestState, RegionState
from harness.records import Expected, Prediction, Rule
from harness.scenario.steps import (
    DataMemory,
    DaxRegions,
    Features,
    FileIo,
    Filesystem,
    MemoryModel,
    Mode,
    PowerCycle,
    ReadBack,
    ReadOnly,
    Regions,
    Step,
    WriteRead,
)
from harness.units import align_down, align_up, format_size

_MODES: dict[DataMemory, Mode] = {"block": "raw", "fsdax": "fsdax", "devdax": "devdax"}

_WORD_BYTES = 8

_LOOKING = (DaxRegions, Features, FileIo, MemoryModel, Regions, PowerCycle, ReadOnly, WriteRead)
_IN_RAM = ("anon", "thp", "hugetlb", "shmem")


def keeps_data(step: Step) -> bool:
    """Whether a step leaves what ``write-read`` wrote as it is, wherever that is."""
    if isinstance(step, Filesystem):
        return not step.make
    # A device that is named is of soft-reserved memory.
    elsewhere = getattr(step, "memory", None) in _IN_RAM or getattr(step, "device", None)
    return isinstance(step, _LOOKING) or bool(elsewhere)


def predict_write_read(state: GuestState, step: WriteRead) -> Prediction:
    """A ``write-read`` step. Raises UserError where it cannot be done to the region."""
    lacking = why_no_mode(state.machine, _MODES[step.memory])
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    if step.memory == "block" and region.block is None:
        refused = Expected("outcome", "refused", RULES["fs.needs-block-device"])
        return Prediction(step.kind, (refused,))
    _check_unmounted(region, step)
    if step.hole and step.memory != "fsdax":
        raise UserError(
            f"{step.kind}: {step.memory} memory has no holes", field="hole", hint="memory: fsdax"
        )
    _check_words(step)
    size, unit = _room(region, step)
    if step.size > size or step.size % unit:
        whole = f" in units of {format_size(unit)}" if unit > 1 else ""
        raise UserError(
            f"{step.kind} of {format_size(step.size)} does not fit into the memory",
            field="size",
            hint=f"{format_size(size)} or less{whole}",
        )
    if step.hole and step.hole_end >= step.size:
        raise UserError(
            f"{step.kind}: {format_size(step.size)} is too little for a hole and something behind",
            field="size",
            hint="two pages or more",
        )
    if step.hole:
        check_anonymous(state, step.size)  # what is written below the mapping, in one piece
    # A debugger's way holds pages; what makes the kernel complain is never there to be read back.
    device = region.devdax if step.memory == "devdax" else None
    if said := complaints.of_holding(state.machine, device):
        return Prediction(step.kind, said)
    # The same words in the same places: what was written behind them is there as before.
    region.written[step.memory] = max(step.size, region.written.get(step.memory, 0))
    rule = RULES["block.write-read" if step.memory == "block" else "data.mapped"]
    expected = _expect(step, rule)
    if step.memory != "block":
        expected += (Expected("protected_signal", "SIGSEGV", RULES["mmap.no-more"]),)
    if step.hole and region.files is not None:
        region.files = replace(region.files, sparse=True)
        kept = step.size - step.hole_end
        expected += (Expected("kept_bytes", kept, RULES["data.hole-end"]),)
    return Prediction(step.kind, expected)


def predict_read_back(state: GuestState, step: ReadBack) -> Prediction:
    """A ``read-back`` step. Raises UserError where its pattern was not written."""
    lacking = why_no_mode(state.machine, _MODES[step.memory])
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    if region.written.get(step.memory, 0) < step.size:
        raise UserError(
            f"read-back: region {step.region} does not hold that pattern at this point",
            field="size",
            hint="a write-read of as much before it",
        )
    _check_words(step)
    _room(region, step)
    return Prediction(step.kind, _expect(step, RULES["data.kept"]))


def _check_unmounted(region: RegionState, step: WriteRead) -> None:
    """Raises UserError where writing to the block device would spoil a file system on it."""
    if step.memory == "block" and region.files is not None and region.files.device is region.block:
        raise UserError(
            f"write-read: a file system is mounted on the device of region {step.region}",
            field="region",
            hint="write-read before the file system is made",
        )


def _check_words(step: WriteRead) -> None:
    """Raises UserError for a mapping that does not end, or has its hole end, at a whole word."""
    unit = 2 * _WORD_BYTES if step.hole else _WORD_BYTES
    if step.memory != "block" and step.size % unit:
        near = (align_down(step.size, unit), align_up(step.size, unit))
        raise UserError(
            f"{step.kind}: what is mapped is written in words, in multiples of {unit} bytes",
            field="size",
            hint=" or ".join(format_size(size) for size in near if size),
        )


def _room(region: RegionState, step: WriteRead) -> tuple[int, int]:
    """Bytes that can be written to, and the unit that they are mapped in."""
    if step.memory == "fsdax" and region.files is not None:
        return region.files.file_bytes, 1
    device = region.block if step.memory == "block" else region.devdax
    if step.memory != "fsdax" and device is not None:
        return device.size_bytes, device.align if step.memory == "devdax" else 1
    lacking, needed = {
        "block": ("block device", "a namespace of mode raw"),
        "fsdax": ("file", "a filesystem"),
        "devdax": ("devdax device", "a namespace of mode devdax"),
    }[step.memory]
    raise UserError(
        f"{step.kind}: region {step.region} has no {lacking} at this point",
        field="region",
        hint=f"{needed} before it",
    )


def _expect(step: WriteRead, rule: Rule) -> tuple[Expected, ...]:
    return (Expected("outcome", "identical", rule), Expected("bytes", step.size, rule))
