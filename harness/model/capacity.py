"""Whether the guest's RAM holds what a step wants of it, beside what is taken already.

Reading anonymous memory takes zero pages, which are one for all; a writable private mapping must
fit as a whole, touched or not, or mmap() is refused (mm/util.c __vm_enough_memory).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from harness.errors import UserError
from harness.model.cost import OWN_BYTES
from harness.model.kmem import in_use
from harness.model.machine import MIB
from harness.model.memory import Memory
from harness.model.numa import devices_as_ram
from harness.model.soft_reserved import ram_of_nodes
from harness.model.state import GuestState, Mounted
from harness.scenario.mapping_steps import Fault, MappingStep, Mmap
from harness.units import align_down, align_up, format_size

_ENTRY_BYTES = 8  # of a page table, for each base page
_LITTLE = 4  # a guest with little RAM has a quarter of it at least for a step


class Need(NamedTuple):
    """``mapped`` bytes that must fit, and ``touched`` ones of which there are so many ``copies``.

    ``processes`` have page tables for these. ``first`` is where touching begins in the mapping,
    ``unit`` what there is a multiple of, ``beside`` what else is taken.
    """

    mapped: int
    touched: int
    copies: int
    processes: int = 1
    first: int = 0
    field: str = "size"
    unit: int = MIB
    beside: int = 0


def check_anonymous(
    state: GuestState, size: int, processes: int = 1, node: int | None = None, beside: int = 0
) -> None:
    """Raise UserError where there is no room for so much memory that is written to.

    ``node`` is the only one that it may be of, ``beside`` what is written to besides.
    """
    if node is not None:
        _check_node(state, node, size)
    _check(state, Need(size, size, copies=1, processes=processes, beside=beside))


def check_held(state: GuestState, memory: str, size: int, files: Mounted | None) -> None:
    """Raise UserError where there is no room for memory that is held: huge pages are there whole.

    Of a file those in the page cache are, where it is not mapped directly.
    """
    if memory == "devdax" or (memory == "fsdax" and (files is None or files.dax)):
        return
    unit = (state.machine.default_huge_page if memory == "hugetlb" else None) or MIB
    whole = align_up(size, unit)
    _check(state, Need(whole, whole, copies=1, unit=unit))


def _check_node(state: GuestState, node: int, size: int) -> None:
    room = align_down(_room(state, node), MIB)
    if not room:
        given = {at for at, ram in _given(state) if ram and at is not None}
        nodes = ", ".join(map(str, sorted({*ram_of_nodes(state.machine), *given})))
        raise UserError(f"node {node} has no memory at this point", field="node", hint=nodes)
    if size > room:
        why = f"{format_size(size)} do not fit into node {node}"
        raise UserError(why, field="size", hint=f"{format_size(room)} or less")


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
    locked = step.lock and (step.memory == "anon" or not memory.is_dax)
    # What is locked is faulted in for writing, where it may be written to, and stays in the cache.
    own = written or locked
    return Need(
        step.size if _is_private(step) else 0,
        _touched(memory, 0, step.size, held=locked),
        copies=int(own) + int(written and step.fork),
        processes=1 + step.fork,
    )


def _is_private(step: MappingStep) -> bool:
    return step.memory == "anon" or step.sharing == "private"


def _is_written(step: MappingStep) -> bool:
    """Whether each page that is touched becomes one of RAM; a device-dax is never private."""
    return _is_private(step) and step.memory != "devdax" and step.access == "write"


def _touched(memory: Memory, first: int, length: int, *, held: bool = False) -> int:
    """Bytes that are touched; entries that map a file or a device itself take next to nothing.

    That are the pages of a cache, which are let go of for others unless they are ``held``.
    """
    if memory.step.memory != "anon" and not held and not _is_written(memory.step):
        return 0
    return length if memory.end is None else max(0, min(length, memory.end - first))


def _check(state: GuestState, need: Need) -> None:
    page, room = state.machine.page, max(0, _room(state) - need.beside)
    fits = room * page // (need.copies * page + need.processes * _ENTRY_BYTES)
    if need.touched > fits:
        size, field, most = need.touched, need.field, need.first + fits
    elif need.mapped > room:
        size, field, most = need.mapped, "size", room
    else:
        return
    if need.mapped and field == "size":
        most = min(most, room)
    whole = format_size(align_down(most, need.unit))
    ram, left = format_size(state.machine.layout.ram_bytes), format_size(align_down(room, MIB))
    child = ", which a child copies," if need.copies > 1 else ""
    raise UserError(
        f"{format_size(size)}{child} do not fit into the guest's RAM: of {ram} there are {left}"
        " for it",
        field=field,
        hint=f"{whole} or less" if most >= need.unit else "a layout with more ram",
    )


def _room(state: GuestState, node: int | None = None) -> int:
    """RAM that nothing else has: neither the kernel, nor struct pages, nor what is set aside.

    Of one ``node``, or of all.
    """
    machine = state.machine
    with_ram = ram_of_nodes(machine)
    ram = sum(with_ram.values()) if node is None else with_ram.get(node, 0)
    given = sum(size for at, size in _given(state) if node in (None, at))
    return max(ram - OWN_BYTES - state.struct_page_bytes, ram // _LITTLE, 0) + given


def _given(state: GuestState) -> Iterator[tuple[int | None, int]]:
    """Memory of devices that is RAM at this point: its node, and bytes."""
    for node, device, ram in devices_as_ram(state):
        yield node, in_use(state.machine, device, ram)[0]
