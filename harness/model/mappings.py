"""The model's face for steps about mappings: which of them the guest can have, and what of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from harness.model.availability import why_no_dax_device, why_no_mode, why_not_built
from harness.model.capacity import check_anonymous, check_held, check_mapping
from harness.model.machine import Machine
from harness.model.mapping import expect_fault, expect_mmap
from harness.model.memory import Memory
from harness.model.page_metadata import expect_page_metadata
from harness.model.poison import expect_poison
from harness.model.poison_ram import expect_ram_poison
from harness.model.state import GuestState
from harness.records import Prediction
from harness.scenario.mapping_steps import RAM, Fault, HwPoison, Mmap, PageMetadata

AnyMapping: TypeAlias = Fault | Mmap | PageMetadata | HwPoison


def predict_mapping(state: GuestState, step: AnyMapping) -> Prediction:
    """What the step must show. Raises UserError for one that no guest could do."""
    machine = state.machine
    lacking = why_no_mapping(machine, step)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    of_ram = step.memory in RAM
    place = None if of_ram or step.device else state.region(step.region)
    devdax, files = None if of_ram else state.devdax(step), place.files if place else None
    match step:
        case HwPoison() if of_ram:
            expected = expect_ram_poison(machine, step)
            # The children that have it as well write nothing.
            check_anonymous(state, step.size, processes=2, node=step.node)
        case HwPoison():
            expected = expect_poison(machine, step, devdax)
        case PageMetadata():
            expected = expect_page_metadata(machine, step, devdax, files)
            check_held(state, step.memory, step.size, files)
        case Fault():
            memory = Memory(machine, step, devdax, files)
            expected = expect_fault(memory, step)
            check_mapping(state, memory, step)
        case Mmap():
            memory = Memory(machine, step, devdax, files)
            expected = expect_mmap(memory, step)
            check_mapping(state, memory, step)
            if step.end == "truncate" and place is not None and files is not None:
                end = step.offset + step.size
                place.files = replace(files, file_bytes=end, sparse=True)
    return Prediction(step.kind, expected)


def why_no_mapping(machine: Machine, step: AnyMapping) -> str | None:
    """Why the guest cannot have what a step about mappings needs."""
    match step.memory:
        case "anon" | "shmem":
            lacking = None
        case mode:
            device = step.device is not None
            lacking = why_no_dax_device(machine) if device else why_no_mode(machine, mode)
    symbols: tuple[str, ...] = ("GUP_TEST",) if isinstance(step, PageMetadata) else ()
    if isinstance(step, HwPoison):
        injects = step.via == "corrupt-pfn"
        bound = step.node is not None
        symbols = ("MEMORY_FAILURE", *["HWPOISON_INJECT"] * injects, *["NUMA"] * bound)
    return lacking or why_not_built(machine, symbols)
