"""What ndctl 76.1 makes of ``create-namespace`` before it asks the kernel for anything.

The checks stand in ndctl's own order, because the first that fails is the one that is
seen. Source: ndctl/namespace.c, set_defaults and validate_namespace_options.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.geometry import SMALLEST
from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.records import PmemDevice, Rule
from harness.scenario.steps import CreateNamespace, Map

BTT_SECTORS = (512, 520, 528, 4096, 4104, 4160, 4224)
NAMESPACE_SECTORS = (512, 4096)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A namespace that is not made: ``message`` is a stable part of ndctl's words.

    ``errno`` is a name, or None where ndctl prints its usage and tells no error number.
    ``left_align`` is what the kernel's seed device was set to, where the kernel refused it.
    """

    rule: Rule
    because: str
    message: str | None = None
    errno: str | None = None
    left_align: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What ndctl asks the kernel for, defaults filled in; ``start`` is where it will lie.

    ``sector_bytes`` are a sector namespace's, ``block_bytes`` those of whatever has a block device.
    """

    start: int
    raw_bytes: int
    align: int
    map: Map | None
    sector_bytes: int | None
    block_bytes: int


def resolve(
    machine: Machine,
    region: PmemDevice,
    used_bytes: int,
    step: CreateNamespace,
    seed_align: int | None = None,
) -> Request | Refusal:
    """The request that ndctl makes for this step, or its refusal.

    ``used_bytes`` is what other namespaces hold, all of it at the region's beginning.
    ``seed_align`` is what the mode's seed device is set to, if not the kernel's default.
    """
    refusal = _parse(machine, step)
    if refusal is not None:
        return refusal
    free = machine.allocatable(region) - used_bytes
    size = free if step.size is None else step.size
    if free == 0 or size > free:
        because = f"{size:#x} bytes wanted, {free:#x} free"
        return Refusal(RULES["ndctl.no-space"], because, "No space left on device", "ENOSPC")
    align = _alignment(machine, region, step, seed_align or machine.default_alignment)
    if isinstance(align, Refusal):
        return align
    refusal = (
        _check_size(machine, region, size, align)
        or _check_smallest(step, size)
        or _check_sector(step)
    )
    if refusal is not None:
        return refusal
    dax = step.mode in ("fsdax", "devdax")
    sector = (step.sector_size or 4096) if step.mode == "sector" else None
    return Request(
        start=region.start + used_bytes,
        raw_bytes=size,
        align=align,
        map=(step.map or "dev") if dax else None,
        sector_bytes=sector,
        block_bytes=4096 if (sector or step.sector_size or 512) >= 4096 else 512,
    )


def _parse(machine: Machine, step: CreateNamespace) -> Refusal | None:
    """set_defaults: what is refused whatever the region; ndctl prints its usage then."""
    if step.map is not None and step.mode not in ("fsdax", "devdax"):
        because = f"--map={step.map} with {step.mode}"
        return Refusal(RULES["ndctl.map-mode"], because, "--map only valid for")
    align = step.align
    if align is not None and (align & (align - 1) or align < machine.page):
        because = f"{align:#x} is no power of two from {machine.page:#x} up"
        return Refusal(RULES["ndctl.align-power"], because, "align must be a power-of-2")
    return None


def _alignment(
    machine: Machine, region: PmemDevice, step: CreateNamespace, seed_align: int
) -> int | Refusal:
    if step.align is None:
        dax = step.mode in ("fsdax", "devdax")
        return seed_align if dax and region.start % seed_align == 0 else machine.page
    if step.mode not in ("fsdax", "devdax"):
        message = "does not support setting an alignment"
        return Refusal(RULES["ndctl.align-mode"], f"{step.mode} mode", message, "ENXIO")
    if step.align not in machine.supported_alignments:
        listed = " ".join(map(str, machine.supported_alignments))
        because = f"{step.align} is not one of {listed}"
        return Refusal(RULES["ndctl.unsupported-align"], because, "unsupported align", "ENXIO")
    return step.align


def _check_size(machine: Machine, region: PmemDevice, size: int, align: int) -> Refusal | None:
    unit = machine.region_align(region)
    if size % unit:
        because = f"{size:#x} is not a multiple of the region's {unit:#x}"
        return Refusal(RULES["ndctl.region-align"], because, "align setting is", "EINVAL")
    if size % align:
        because = f"{size:#x} is not a multiple of {align:#x}"
        message = "must align to interleave-width"
        return Refusal(RULES["ndctl.size-align"], because, message, "EINVAL")
    return None


def _check_smallest(step: CreateNamespace, size: int) -> Refusal | None:
    """Below 16 MiB only raw mode; without a size ndctl then says that no space is left."""
    if size >= SMALLEST or step.mode == "raw":
        return None
    because = f"{size:#x} is less than {SMALLEST:#x}"
    if step.size is None:
        return Refusal(RULES["ndctl.smallest"], because, "No space left on device", "ENOSPC")
    return Refusal(RULES["ndctl.smallest"], because, "must be >= 16MiB", "EINVAL")


def _check_sector(step: CreateNamespace) -> Refusal | None:
    if step.sector_size is None:
        return None
    known = BTT_SECTORS if step.mode == "sector" else NAMESPACE_SECTORS
    if step.sector_size in known:
        return None
    holder = "btt" if step.mode == "sector" else "namespace"
    because = f"{step.sector_size} is not one of {' '.join(map(str, known))}"
    message = f"does not support {holder} sector_size"
    return Refusal(RULES["ndctl.sector-size"], because, message, "EINVAL")
