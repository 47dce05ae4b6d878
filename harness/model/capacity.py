"""Whether the guest's RAM holds what a step wants of it, beside what is taken already.

Reading anonymous memory takes zero pages, which are one for all; a writable private mapping must
fit as a whole, touched or not, or mmap() is refused (mm/util.c __vm_enough_memory).
"""

from __future__ import annotations

from typing import NamedTuple

from harness.errors import UserError
from harness.model.cost import OWN_BYTES
from harness.model.machine import MIB
from harness.model.memory import Memory
from harness.model.state import GuestState
from harness.scenario.mapping_steps import Fault, MappingStep, Mmap
from harness.units import align_down, format_size

_ENTRY_BYTES = 8  # of a page table, for each base page
_LITTLE = 4  # a guest with little RAM has a quarter of it at least for a step


class Need(NamedTuple):
    """``mapped`` bytes that must fit, and ``touched`` ones of which there are so many ``copies``.

    ``processes`` have page tables for these. ``first`` is where touching begins in the mapping.
    """

    mapped: int
    touched: int
    copies: int
    processes: int = 1
    first: int = 0
    field: str = "size"


def check_anonymous(state: GuestState, size: int, processes: int = 1) -> None:
    """Raise UserError where there is no room for so much memory that is written to."""
    _check(state, Need(size, size, copies=1, processes=processes))


def check_mapping(state: GuestState, memory: Memory, step: Fault | Mmap) -> None:
    """Raise UserError where there is no room for what a mapping takes of RAM."""
    if not memory.missing:
        need = _of_fault(memory, step) if isinstance(step, Fault) else _of_life(memory, step)
        _check(state, need)


def _of_fault(memory: Memory, step: Fault) -> Need:
    length = step.size - step.first if step.length is None else step.length
    return Need(
        step.size if step.writable and _is_private(step) else 0,
        _touched(memory, step.first, length),
        copies=int(_is_written(step) and step.writable),
        first=step.first if step.length is None else 0,
        field="size" if step.length is None else "length",
    )


def _of_life(memory: Memory, step: Mmap) -> Need:
    written = _is_written(step)
    # What is locked is faulted in for writing, where it may be written to.
    own = written or (step.lock and step.memory == "anon")
    return Need(
        step.size if _is_private(step) else 0,
        _touched(memory, 0, step.size),
        copies=int(own) + int(written and step.fork),
        processes=1 + step.fork,
    )


def _is_private(step: MappingStep) -> bool:
    return step.memory == "anon" or step.sharing == "private"


def _is_written(step: MappingStep) -> bool:
    """Whether each page that is touched becomes one of RAM; a device-dax is never private."""
    return _is_private(step) and step.memory != "devdax" and step.access == "write"


def _touched(memory: Memory, first: int, length: int) -> int:
    """Bytes that are touched; entries that map a file or a device itself take next to nothing."""
    if memory.step.memory != "anon" and not _is_written(memory.step):
        return 0
    return length if memory.end is None else max(0, min(length, memory.end - first))


def _check(state: GuestState, need: Need) -> None:
    page, room = state.machine.page, _room(state)
    fits = room * page // (need.copies * page + need.processes * _ENTRY_BYTES)
    if need.touched > fits:
        size, field, most = need.touched, need.field, need.first + fits
    elif need.mapped > room:
        size, field, most = need.mapped, "size", room
    else:
        return
    if need.mapped and field == "size":
        most = min(most, room)
    ram, left = format_size(state.machine.layout.ram_bytes), format_size(align_down(room, MIB))
    child = ", which a child copies," if need.copies > 1 else ""
    raise UserError(
        f"{format_size(size)}{child} do not fit into the guest's RAM: of {ram} there are {left}"
        " for it",
        field=field,
        hint=f"{format_size(align_down(most, MIB))} or less",
    )


def _room(state: GuestState) -> int:
    """RAM that nothing else has: neither the kernel, nor struct pages, nor what is set aside."""
    layout = state.machine.layout
    ram = layout.ram_bytes - sum(part.size_bytes for part in layout.soft_reserved)
    taken = sum(block.ram_bytes for block in state.blocks)
    return max(ram - OWN_BYTES - taken, ram // _LITTLE, 0) + _given(state)


def _given(state: GuestState) -> int:
    """Memory of devices that is RAM at this point."""
    namespaces = (r.system_ram.raw_bytes for r in state.regions if r.ram and r.system_ram)
    devices = (d for region in state.dax_regions for d in region.devices.values() if d.ram)
    return sum(namespaces) + sum(device.size_bytes for device in devices)
