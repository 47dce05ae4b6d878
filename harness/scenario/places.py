"""The regions that steps name, held against what the layout has of them."""

from __future__ import annotations

from harness.errors import UserError
from harness.scenario.step import Step
from harness.units import count

_IN_REGIONS = ("block", "fsdax", "devdax")


def check_place(step: Step, devices: int, ranges: int) -> None:
    """Raises UserError, with the step's field, for a region that the layout does not have.

    The layout has so many pmem ``devices``, and ``ranges`` of soft-reserved memory.
    """
    named = getattr(step, "device", None)
    if named is not None:
        check_dax_region(named.region, ranges, "device")
        return
    region = getattr(step, "region", None)
    if region is not None and getattr(step, "memory", "devdax") in _IN_REGIONS:
        check_region(region, devices)
    dax_region = getattr(step, "dax_region", None)
    if region is None and dax_region is not None:
        check_dax_region(dax_region, ranges, "dax_region")


def check_region(index: int, devices: int) -> None:
    """Raises UserError for a region of pmem that there is not."""
    if index >= devices:
        raise UserError(
            f"region {index}: the layout has {count(devices, 'pmem device')}",
            field="region",
            hint=_regions(devices) if devices else "layout: {pmem: [{size: 1G}]}",
        )


def check_dax_region(index: int, ranges: int, field: str) -> None:
    """Raises UserError for a region of soft-reserved memory that there is not."""
    if index >= ranges:
        there = f"{count(ranges, 'range')} of soft-reserved memory"
        raise UserError(
            f"dax region {index}: the layout has {there}",
            field=field,
            hint="layout: {ram: 3G, soft_reserved: [{size: 1G}]}",
        )


def _regions(devices: int) -> str:
    return "region: 0" if devices == 1 else f"region: 0 to {devices - 1}"
