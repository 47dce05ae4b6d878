"""What ``hwpoison`` must show of a poisoned page of memory that is no device's.

A huge page is split before anything else is done about it, so that nothing depends on what
mapped the page.

Source: mm/memory-failure.c memory_failure, hwpoison_user_mappings, me_pagecache_dirty;
mm/madvise.c madvise_inject_error; mm/memory.c copy_nonpresent_pte, do_swap_page, __do_fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import UserError
from harness.model.machine import Machine
from harness.model.poison import address_lsb
from harness.model.rules import RULES
from harness.records import Expected, Rule
from harness.scenario.mapping_steps import HwPoison
from harness.units import align_down, format_size


def expect_ram_poison(machine: Machine, step: HwPoison) -> tuple[Expected, ...]:
    """Values of a ``hwpoison`` step. Raises UserError for one that makes no sense."""
    if step.offset >= step.size or step.size % machine.page:
        raise UserError(
            "hwpoison needs a mapping of whole pages and a page within the mapping,"
            f" not {step.offset:#x} of {step.size:#x}",
            field="size",
            hint=f"a multiple of {format_size(machine.page)}, more than the offset",
        )
    at, lost = align_down(step.offset, machine.page), RULES["poison.ram-lost"]
    mine, others = _code_of_poisoner(machine, step), "BUS_MCEERR_AO" if step.early else None
    told, touch = RULES["poison.ram-told"], RULES["poison.ram-touch"]
    forked = RULES["poison.shmem-forked" if step.memory == "shmem" else "poison.anon-forked"]
    return (
        Expected("outcome", "poisoned", lost),
        *_expect_signal(machine, "", mine, at, told),
        *_expect_signal(machine, "other_", others, at, told),
        *_expect_signal(machine, "touch_", "BUS_MCEERR_AR", at, touch),
        *_expect_signal(machine, "other_touch_", "BUS_MCEERR_AR", at, touch),
        *_expect_signal(machine, "forked_touch_", "BUS_MCEERR_AR", at, forked),
        Expected("intact_bytes", step.size - machine.page, RULES["poison.ram-intact"]),
        Expected("corrupted_bytes", machine.page, lost),
        Expected("sigbus_messages", bool(mine) + bool(others), told),
        Expected("recovery", "dirty LRU page: Recovered", lost),
    )


def _code_of_poisoner(machine: Machine, step: HwPoison) -> str | None:
    if machine.probe("hwpoison_action_required", since=(6, 11)):
        return "BUS_MCEERR_AR"
    return "BUS_MCEERR_AO" if step.early else None


def _expect_signal(
    machine: Machine, prefix: str, code: str | None, at: int, rule: Rule
) -> Iterator[Expected]:
    yield Expected(f"{prefix}signal", "SIGBUS" if code else None, rule)
    yield Expected(f"{prefix}code", code, rule)
    if code:
        yield from _expect_place(machine, prefix, at)


def _expect_place(machine: Machine, prefix: str, at: int) -> Iterator[Expected]:
    rule, why = RULES["poison.ram-place"], f"a page of {machine.page:#x}"
    yield Expected(f"{prefix}address_offset", at, rule, because=why)
    yield Expected(f"{prefix}address_lsb", address_lsb(machine.page), rule, because=why)
