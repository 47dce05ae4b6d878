"""Devices of soft-reserved memory made, resized and destroyed in any order that has names for them.

Which devices there are is asked of the model itself: a step may only name one that is there.
"""

from __future__ import annotations

import random
from typing import Any

from harness.model.dax_region import DaxRegion
from harness.model.machine import Machine
from harness.model.predict import PREDICTORS
from harness.model.state import GuestState
from harness.records import KernelFacts, Layout, SoftReserved
from harness.scenario.steps import STEPS
from harness.target import Target

MIB, GIB = 1 << 20, 1 << 30
UNIT = 128 * MIB

_STEPS = 24
_SHOW_EVERY = 6
_MOST_TOUCHED = 256 * MIB


def random_devices(target: Target, facts: KernelFacts, seed: int, index: int) -> dict[str, Any]:
    """One scenario for a target with soft-reserved memory, the same for seed and index."""
    rng = random.Random(f"{seed} {target.name} devices {index}")
    where = target.soft_reserved
    assert where is not None
    parts, free = [], where.start
    for _ in range(rng.choice((1, 1, 2))):
        part = SoftReserved(UNIT * rng.randint(1, 8), free + UNIT * rng.randint(0, 2))
        parts.append(part)
        free = part.start + part.size_bytes
    ram = max(where.split, where.low_ram + free - where.start + GIB)
    layout = Layout(ram, 2, soft_reserved=tuple(parts), region_idle=True)
    state = GuestState(Machine(target, facts, layout))
    steps: list[dict[str, Any]] = []
    for number in range(_STEPS):
        if number % _SHOW_EVERY == 0:
            steps.append({"dax-regions": None})
        kind, fields = _step(rng, target, rng.choice(state.dax_regions))
        steps.append({kind: fields})
        step = STEPS[kind].model_validate(fields)
        PREDICTORS[type(step)](state, step)
    return {
        "scenario": f"devices-{seed}-{index}-{target.name.replace('_', '-')}",
        "summary": "drawn at random",
        "targets": [target.name],
        "layout": {
            "ram": ram,
            "soft_reserved": [{"size": p.size_bytes, "at": p.start} for p in parts],
            "region_idle": True,
        },
        "steps": [*steps, {"dax-regions": None}],
    }


def _step(rng: random.Random, target: Target, region: DaxRegion) -> tuple[str, dict[str, Any]]:
    device = rng.choice(sorted(region.devices.values(), key=lambda device: device.id))
    name = f"dax{region.index}.{device.id}"
    page, pmd = target.mmu.page_size, target.mmu.pmd_size
    match rng.choices(("create", "resize", "destroy", "use"), (4, 5, 2, 1))[0]:
        case "create":
            fields: dict[str, Any] = {"dax_region": region.index}
            if rng.random() < 0.9:
                fields["size"] = _size(rng, region.available_bytes) or pmd
            if rng.random() < 0.4:
                fields["align"] = rng.choice((page, pmd, pmd, 4 * pmd))
            return "create-device", fields
        case "resize":
            most = device.size_bytes + region.available_bytes
            fields = {"device": name, "size": _size(rng, most)}
            if rng.random() < 0.1:
                fields["disable"] = False
            return "resize-device", fields
        case "destroy":
            return "destroy-device", {"device": name, "force": rng.random() < 0.9}
        case _:
            size = min(device.size_bytes or pmd, _MOST_TOUCHED)
            fields = {"memory": "devdax", "device": name, "size": size, "access": "write"}
            return "fault", fields


def _size(rng: random.Random, most: int) -> int:
    """Up to a little more than there is, seldom no multiple of 2M."""
    unit = 2 * MIB
    size = rng.randint(0, max(1, most // rng.choice((1, 2, 4, 8)) // unit)) * unit
    return size + rng.choices((0, MIB, 64 * unit), (18, 1, 1))[0]
