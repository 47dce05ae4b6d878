"""What ``page-metadata`` must show: the counts in struct pages of DAX memory that is held."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import UserError
from harness.model import complaints
from harness.model.folios import entry_of_folio, folio_at
from harness.model.geometry import Span
from harness.model.machine import MIB, Machine
from harness.model.rules import RULES
from harness.model.state import Devdax, Mounted
from harness.records import Expected
from harness.scenario.mapping_steps import PageMetadata
from harness.units import format_size

GUP_PIN_COUNTING_BIAS = 1024
"""References that a pin of a single page is (include/linux/mm.h)."""


def order_of(entry_bytes: int, page_bytes: int) -> int:
    """log2 of the pages in one entry."""
    return (entry_bytes // page_bytes).bit_length() - 1


def held_references(order: int, pages_held: int, *, pin: bool) -> int:
    """References on a folio of which so many pages are held, one time each.

    A page of a larger folio is one reference either way; pins are counted beside them.
    Source: mm/gup.c try_grab_folio, include/linux/mm.h folio_maybe_dma_pinned.
    """
    return pages_held * (GUP_PIN_COUNTING_BIAS if pin and order == 0 else 1)


def devdax_references(held: int, *, mappings: int) -> int:
    """All references on a folio of device-dax: one of the device's, and those of mappings,
    where they are counted, and held."""
    return 1 + mappings + held


def expect_page_metadata(
    machine: Machine, step: PageMetadata, device: Devdax | None, files: Mounted | None
) -> tuple[Expected, ...]:
    """Values of a ``page-metadata`` step. Raises UserError for one that makes no sense."""
    place = device if step.memory == "devdax" else files
    if place is None or (device is not None and device.size_bytes == 0):
        return (Expected("outcome", "no-device", RULES["gup.no-device"]),)
    _check(machine, step, device, files)
    if step.memory == "devdax" and device is not None and step.size % device.align:
        rule = RULES["devdax.unaligned"]
        why = f"{step.size:#x} is not a multiple of {device.align:#x}"
        return (Expected("outcome", "mmap-refused", rule, because=why),)
    if said := complaints.of_holding(machine, device):
        return said
    values = [Expected("outcome", "dumped", RULES["page.dumped"])]
    for index in step.pages:
        if step.memory == "devdax" and device is not None:
            values += _expect_devdax(machine, step, device, index)
        elif files is not None and files.dax:
            values += _expect_fsdax(machine, step, index)
    return tuple(values)


def _check(
    machine: Machine, step: PageMetadata, device: Devdax | None, files: Mounted | None
) -> None:
    there = files.file_bytes if files else 0
    if step.memory == "devdax" and device is not None:
        there = device.size_bytes
    if step.size % MIB or step.size > there:
        raise UserError(
            f"gup_test cannot map {format_size(step.size)} there",
            field="size",
            hint=f"whole MiB up to {format_size(there)}",
        )
    if max(step.pages) >= step.size // machine.page:
        last = step.size // machine.page - 1
        raise UserError("a page behind the mapping", field="pages", hint=f"0 to {last}")


def _expect_devdax(
    machine: Machine, step: PageMetadata, device: Devdax, index: int
) -> Iterator[Expected]:
    name = f"page{index}"
    order = order_of(device.align, machine.page)
    counts = machine.dax_counts_folios
    mappings = step.mappings if counts else 0
    pages = folio_at(device, index * machine.page).common(Span(0, step.size)).size // machine.page
    refs = devdax_references(held_references(order, pages, pin=step.pin), mappings=mappings)
    why = f"{pages} pages of a folio of order {order} {'pinned' if step.pin else 'held'}"
    rule = RULES["page.devdax-refs-counted" if counts else "page.devdax-refs"]
    yield Expected(f"{name}.refcount", refs, rule, because=why)
    yield Expected(f"{name}.mapcount", mappings, rule)
    yield Expected(f"{name}.order", order, RULES["page.order"])
    pins = None if order == 0 else pages * step.pin
    yield Expected(f"{name}.pincount", pins, RULES["page.pincount"], because=why)
    address = address_of(device, index * machine.page)
    why = f"page {index} of the device is at {address:#x}"
    yield Expected(f"{name}.pfn", address // machine.page, RULES["page.frame"], because=why)
    yield from _expect_index(machine, step, device, index)


def _expect_index(
    machine: Machine, step: PageMetadata, device: Devdax, index: int
) -> Iterator[Expected]:
    """Unless nothing set it: the folio's entry is not mapped, or tails know no head's."""
    offset = index * machine.page
    entry, folio = entry_of_folio(device, offset), folio_at(device, offset)
    tail_knows = device.align == machine.page or machine.kernel.has("TRANSPARENT_HUGEPAGE")
    if entry < step.size and tail_knows:
        place = (entry + offset - folio.start) // machine.page
        yield Expected(f"page{index}.index", place, RULES["page.index"])


def address_of(device: Devdax, offset: int) -> int:
    """The physical address of a byte of a device, which its ranges hold one after another."""
    for span in device.data:
        if offset < span.size:
            return span.start + offset
        offset -= span.size
    raise ValueError(f"the device ends before its byte {offset:#x}")


def _expect_fsdax(machine: Machine, step: PageMetadata, index: int) -> Iterator[Expected]:
    name = f"page{index}"
    yield Expected(f"{name}.index", index, RULES["page.index"])
    held = held_references(0, 1, pin=step.pin)
    if machine.dax_counts_folios:
        rule = RULES["page.fsdax-refs-counted"]
        refs = step.mappings + 1
        yield Expected(f"{name}.refcount", refs, rule, ">=", "its mappings and what is held")
        yield Expected(f"{name}.mapcount", step.mappings, rule)
        return
    rule = RULES["page.fsdax-refs"]
    yield Expected(f"{name}.refcount", 1 + held, rule, because=f"{held} held")
    yield Expected(f"{name}.mapcount", 0, rule)
    yield Expected(f"{name}.order", 0, rule)
