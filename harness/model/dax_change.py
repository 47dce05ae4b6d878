"""A dynamic device aligned anew and given another size, or who refuses that and how.

Source: drivers/dax/bus.c, size_store and align_store; ndctl's daxctl/device.c, which asks for
the alignment first.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.dax_region import DaxDevice, DaxRegion
from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.records import Expected, Rule


@dataclass(frozen=True, slots=True)
class Refused:
    """What the kernel says to a write, and what becomes of that in daxctl."""

    rule: Rule
    kernel_errno: str
    errno: str
    because: str

    def expected(self) -> tuple[Expected, ...]:
        told = RULES["dyn.daxctl-errno"]
        return (
            Expected("outcome", "refused", self.rule, because=self.because),
            Expected("errno", self.errno, told, because=self.because),
            Expected("kernel_errno", self.kernel_errno, self.rule, because=self.because),
        )


def change(
    machine: Machine, region: DaxRegion, device: DaxDevice, size: int, align: int | None
) -> Refused | None:
    """Align a device anew, then give it its size, as daxctl asks the kernel for it."""
    if align is not None:
        refusal = _why_not_aligned(machine, device, align)
        if refusal is not None:
            return refusal
        device.align = align
    refusal = _why_not_sized(machine, region, device, size)
    if refusal is None:
        region.resize(device, size)
    return refusal


def _why_not_aligned(machine: Machine, device: DaxDevice, align: int) -> Refused | None:
    if align not in machine.supported_alignments:
        words = " ".join(map(hex, machine.supported_alignments))
        return Refused(RULES["dyn.align"], "EINVAL", "ENXIO", f"{align:#x} is none of {words}")
    if device.active:
        return Refused(RULES["dyn.busy"], "EBUSY", "ENXIO", f"{device.driver} has it")
    unit = _unit(machine, align)
    if any(span.size % unit for span in device.ranges):
        why = f"a range is no multiple of {unit:#x}"
        return Refused(RULES["dyn.align"], "EINVAL", "ENXIO", why)
    return None


def _why_not_sized(
    machine: Machine, region: DaxRegion, device: DaxDevice, size: int
) -> Refused | None:
    unit = _unit(machine, device.align)
    if size % unit:
        why = f"{size:#x} is no multiple of {unit:#x}"
        return Refused(RULES["dyn.size-align"], "EINVAL", "ENXIO", why)
    if device.active:
        return Refused(RULES["dyn.busy"], "EBUSY", "ENXIO", f"{device.driver} has it")
    more, free = size - device.size_bytes, region.available_bytes
    if more > free:
        why = f"{more:#x} more, {free:#x} available"
        return Refused(RULES["dyn.no-space"], "ENOSPC", "ENXIO", why)
    return None


def _unit(machine: Machine, align: int) -> int:
    """What the size of a device, and of each range, is a multiple of (alloc_is_aligned)."""
    return max(align, machine.memremap_compat_align)
