"""What ``rdma-register`` must show: which memory a device is given for long, and its pins.

Source: drivers/infiniband/core/umem.c and uverbs_cmd.c, drivers/infiniband/sw/rxe/rxe_mr.c,
mm/gup.c. Root has CAP_IPC_LOCK: RLIMIT_MEMLOCK does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import UserError
from harness.model import complaints
from harness.model.availability import why_no_memory, why_not_built
from harness.model.capacity import check_held
from harness.model.machine import POWERPC, Machine
from harness.model.rules import RULES
from harness.model.state import GuestState, Mounted, Namespace
from harness.records import Expected, Prediction, Rule
from harness.scenario.rdma_steps import RdmaRegister
from harness.units import align_up, format_size


def predict_rdma(state: GuestState, step: RdmaRegister) -> Prediction:
    """An ``rdma-register`` step on what the steps before it left."""
    machine = state.machine
    lacking = why_not_built(machine, ("INFINIBAND_USER_ACCESS", "RDMA_RXE"))
    lacking = lacking or why_no_memory(machine, step.memory)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    place = state.region(step.region) if step.memory in ("devdax", "fsdax") else None
    devdax = place.devdax if place and step.memory == "devdax" else None
    files = place.files if place and step.memory == "fsdax" else None
    expected = _expect(machine, step, devdax, files)
    check_held(state, step.memory, step.size, files)
    return Prediction(step.kind, expected)


def _expect(
    machine: Machine, step: RdmaRegister, devdax: Namespace | None, files: Mounted | None
) -> tuple[Expected, ...]:
    place = devdax if step.memory == "devdax" else files
    mapped = step.memory not in ("devdax", "fsdax") or place is not None
    if not mapped or (devdax is not None and devdax.size_bytes == 0):
        return (Expected("outcome", "no-device", RULES["gup.no-device"]),)
    if devdax is not None and step.size % devdax.align:
        rule = RULES["devdax.unaligned"]
        why = f"{step.size:#x} is not a multiple of {devdax.align:#x}"
        return _refused("mmap-refused", Refusal("EINVAL", rule, why))
    there = _bytes_there(machine, step, devdax, files)
    _check(machine, step, there)
    refusal = _refusal(machine, step, there, files)
    said = complaints.of_holding(machine, devdax)
    if refusal is None:
        said = said or complaints.of_registering(machine, step.size)
        return said or (*_expect_region(machine, step), *_expect_end(machine, step))
    return said or (*_refused("refused", refusal), *_expect_end(machine, step))


def _refused(outcome: str, refusal: Refusal) -> tuple[Expected, ...]:
    return (
        Expected("outcome", outcome, refusal.rule, because=refusal.because),
        Expected("errno", refusal.errno, refusal.rule, because=refusal.because),
    )


def _expect_end(machine: Machine, step: RdmaRegister) -> Iterator[Expected]:
    """Registered or not: huge pages were there, and at the end nothing is held any more."""
    if step.memory == "hugetlb":
        yield Expected("huge_page_bytes", machine.default_huge_page, RULES["hugetlb.size"])
    rule = RULES["rdma.nothing-left"]
    yield Expected("pinned_pages_left", 0, rule)
    yield Expected("pinned_vm_bytes_left", 0, rule)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why memory is not registered."""

    errno: str
    rule: Rule
    because: str


def _refusal(
    machine: Machine, step: RdmaRegister, there: int, files: Mounted | None
) -> Refusal | None:
    """Why it cannot be registered, in the order in which the kernel looks."""
    if step.persistent and not machine.rdma_knows_persistence:
        return Refusal("EINVAL", RULES["rdma.persistent-unknown"], "no such access flag")
    if files is not None and files.dax:
        return Refusal("EOPNOTSUPP", RULES["gup.fsdax-longterm"], "registering pins for long")
    if files is not None and step.write and machine.longterm_asks_dirty_tracking:
        return Refusal("EFAULT", RULES["gup.file-longterm"], "registering to write pins for long")
    if step.size > there:
        why = f"{step.size:#x} registered, {there:#x} there"
        return Refusal("EFAULT", RULES["rdma.not-there"], why)
    if step.persistent and (step.memory != "devdax" or machine.mmu in POWERPC):
        return Refusal("EINVAL", RULES["rdma.persistent"], f"{step.memory} on {machine.mmu}")
    return None


def _bytes_there(
    machine: Machine, step: RdmaRegister, devdax: Namespace | None, files: Mounted | None
) -> int:
    """How much of the mapping can be faulted in."""
    if devdax is not None:
        return devdax.size_bytes
    return step.size if files is None else align_up(files.file_bytes, machine.page)


def _check(machine: Machine, step: RdmaRegister, there: int) -> None:
    """Raise UserError for a step that rdmaprobe cannot do."""
    if step.moved is not None and (step.moved > step.size or step.moved % 8):
        raise UserError(
            f"not {step.moved:#x} of {step.size:#x} bytes can be moved",
            field="moved",
            hint=f"a multiple of 8 up to {format_size(step.size)}",
        )
    unit = machine.default_huge_page if step.memory == "hugetlb" else machine.page
    if unit and step.size % unit:
        raise UserError(
            f"{step.memory} memory is mapped in units of {format_size(unit)}",
            field="size",
            hint=format_size(align_up(step.size, unit)),
        )
    if not step.write and step.size > there:
        raise UserError(
            "what is registered to be read is filled before, and ends too early",
            field="size",
            hint=format_size(there),
        )


def _expect_region(machine: Machine, step: RdmaRegister) -> Iterator[Expected]:
    pages = step.size // machine.page
    why = f"{step.size:#x} / {machine.page:#x}"
    pins, data = RULES["rdma.pins"], RULES["rdma.data"]
    yield Expected("outcome", "registered", RULES["rdma.registered"])
    yield Expected("pinned_pages", pages, pins, because=why)
    yield Expected("pinned_vm_bytes", step.size, RULES["rdma.accounted"])
    yield Expected("completion", "success", data)
    moved = step.size if step.moved is None else step.moved
    yield Expected("intact_bytes", moved, data)
    yield Expected("pinned_pages_unmapped", pages, pins, because=why)
    yield Expected("intact_bytes_unmapped", moved, data)
    if step.memory == "thp":
        whole = step.size // machine.pmd
        why = f"{step.size:#x} from a multiple of {machine.pmd:#x} on"
        yield Expected("thp_faults", whole, RULES["thp.faults"], ">=", why)
