"""What the kernel makes of the layout: regions, their space, alignments and nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from harness.model.availability import why_no_mode, why_no_pmem
from harness.model.machine import Machine
from harness.model.numa import expect_region_nodes
from harness.model.rules import RULES
from harness.model.state import GuestState, RegionState
from harness.records import Expected, PmemDevice, Prediction
from harness.scenario.steps import Regions

_PAPR: Final = "PAPR_SCM"


def predict_regions(state: GuestState, step: Regions) -> Prediction:
    """Every region, or that there is none."""
    lacking = why_no_pmem(state.machine)
    if lacking is not None:
        none = Expected("regions", 0, RULES["pmem.none"], because=lacking)
        return Prediction(step.kind, (none,))
    expected = [Expected("regions", len(state.regions), RULES["region.count"])]
    for index, region in enumerate(state.regions):
        expected += _expect_region(state.machine, f"region{index}", region)
    return Prediction(step.kind, tuple(expected))


def expect_available(machine: Machine, name: str, region: RegionState) -> Expected:
    """What of a region's space is left."""
    free = machine.allocatable(region.device) - region.used_bytes
    unit = machine.region_align(region.device)
    why = f"{region.device.size_bytes:#x} in units of {unit:#x}, {region.used_bytes:#x} used"
    return Expected(name, free, RULES["region.available"], because=why)


def _expect_region(machine: Machine, name: str, region: RegionState) -> list[Expected]:
    device = region.device
    expected = [
        Expected(f"{name}.size_bytes", device.size_bytes, RULES["region.place"]),
        Expected(f"{name}.start", device.start, RULES["region.place"]),
        expect_available(machine, f"{name}.available_bytes", region),
        Expected(f"{name}.align_bytes", machine.region_align(device), RULES["region.align"]),
        *expect_region_nodes(machine, name, device),
        *_expect_cookie(machine, name, device),
    ]
    if why_no_mode(machine, "devdax") is None:
        expected += _expect_alignments(machine, name, region.seed_aligns.get("devdax"))
    return expected


def _expect_cookie(machine: Machine, name: str, device: PmemDevice) -> Iterator[Expected]:
    """Of papr_scm; the NFIT driver's is a checksum of what QEMU tells of a device."""
    pmem = machine.target.pmem
    if pmem is not None and pmem.driver == _PAPR:
        cookie = int.from_bytes(UUID(device.uuid).bytes[8:], "little")
        yield Expected(
            f"{name}.set_cookie", cookie, RULES["region.set-cookie"], because=device.uuid
        )


def _expect_alignments(machine: Machine, name: str, left: int | None) -> tuple[Expected, Expected]:
    listed = " ".join(map(str, machine.supported_alignments))
    pages = "huge pages exist" if machine.has_huge_pages else "no huge pages"
    default = Expected(
        f"{name}.default_align", machine.default_alignment, RULES["align.default"], because=pages
    )
    if left is not None:
        default = Expected(default.name, left, RULES["align.seed"])
    return (
        Expected(f"{name}.supported_alignments", listed, RULES["align.supported"], because=pages),
        default,
    )
