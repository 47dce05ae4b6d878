"""What ``hwpoison`` must show of a poisoned page of a device-dax.

Source: mm/memory-failure.c memory_failure_dev_pagemap, mf_generic_kill_procs, kill_proc;
mm/madvise.c madvise_inject_error; mm/hwpoison-inject.c hwpoison_inject.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import UserError
from harness.model import complaints
from harness.model.folios import entry_of_folio
from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.model.state import Devdax
from harness.records import Expected
from harness.scenario.mapping_steps import HwPoison
from harness.units import format_size


def address_lsb(entry_bytes: int) -> int:
    """si_addr_lsb: how many low bits of the address say nothing, for an entry's size."""
    return entry_bytes.bit_length() - 1


def expect_poison(machine: Machine, step: HwPoison, device: Devdax | None) -> tuple[Expected, ...]:
    """Values of a ``hwpoison`` step. Raises UserError for one that makes no sense."""
    if device is None or device.size_bytes == 0:
        return (Expected("outcome", "no-device", RULES["gup.no-device"]),)
    if step.size > device.size_bytes or step.offset >= step.size:
        raise UserError(
            f"hwpoison needs a mapping within the device and a page within the mapping,"
            f" not {step.offset:#x} of {step.size:#x}",
            field="size",
            hint=f"up to {format_size(device.size_bytes)}",
        )
    if step.size % device.align:
        rule = RULES["devdax.unaligned"]
        why = f"{step.size:#x} is not a multiple of {device.align:#x}"
        return (
            Expected("outcome", "refused", rule, because=why),
            Expected("errno", "EINVAL", rule, because=why),
        )
    if said := _complaint(machine, step, device):
        return said
    head = entry_of_folio(device, step.offset)
    if head >= step.size:
        raise UserError(
            f"the page's folio is known by the entry at {format_size(head)}, behind the mapping",
            field="size",
            hint=f"more than {format_size(head)}",
        )
    return (
        Expected("outcome", "poisoned", RULES["poison.recovered"]),
        *_expect_child(step, head, device.align),
        *_expect_other(step, head, device.align),
        *_expect_kernel(machine, step),
    )


def _complaint(machine: Machine, step: HwPoison, device: Devdax) -> tuple[Expected, ...]:
    """What the kernel says of the mappings, or of madvise, which holds the page."""
    touched = complaints.of_touching(machine, device)
    held = touched or complaints.of_holding(machine, device)
    if held and not touched and step.via != "madvise":
        raise UserError(
            "the page's folio has no head, and memory_failure() follows what is there instead",
            field="via",
            hint="madvise, which finds that out before",
        )
    return held


def _expect_child(step: HwPoison, head: int, entry: int) -> Iterator[Expected]:
    if step.via == "madvise":
        yield from _expect_signal("", "BUS_MCEERR_AR", head, entry)
        yield Expected("retouched", True, RULES["poison.retouch"])
    else:
        yield Expected("signal", None, RULES["poison.bystander"])


def _expect_other(step: HwPoison, head: int, entry: int) -> Iterator[Expected]:
    if step.early:
        yield from _expect_signal("other_", "BUS_MCEERR_AO", head, entry)
    else:
        yield Expected("other_signal", None, RULES["poison.bystander"])
    unmapped = step.early or step.via == "madvise"
    why = "unmapped for all who have it" if unmapped else "nobody was told, nothing is unmapped"
    yield Expected("other_faults", int(unmapped), RULES["poison.unmapped"], because=why)


def _expect_signal(prefix: str, code: str, head: int, entry: int) -> Iterator[Expected]:
    rule = RULES["poison.signal"]
    yield Expected(f"{prefix}signal", "SIGBUS", rule)
    yield Expected(f"{prefix}code", code, rule)
    why = f"the entry of {entry:#x} that the page's folio is known by"
    yield Expected(f"{prefix}address_offset", head, RULES["poison.address"], because=why)
    lsb = address_lsb(entry)
    yield Expected(f"{prefix}address_lsb", lsb, RULES["poison.lsb"], because=f"{entry:#x}")


def _expect_kernel(machine: Machine, step: HwPoison) -> Iterator[Expected]:
    rule = RULES["poison.recovered"]
    told = int(step.via == "madvise") + int(step.early)
    yield Expected("corrupted_bytes", machine.page, rule)
    yield Expected("sigbus_messages", told, RULES["poison.signal"])
    yield Expected("recovery", "dax page: Recovered", rule)
