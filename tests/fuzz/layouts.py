"""Scenarios drawn at random: any legal RAM, size, start, label area and node.

Starts are mostly where something begins or ends: a section, a PMD or a PUD, what a block
of struct pages stands for, or the device before; and just off those.
"""

from __future__ import annotations

import random
from typing import Any

from harness.scenario.layout import first_address
from harness.target import PmemMachine, Target
from harness.units import align_up
from tests.fuzz.legal import only_legal
from tests.fuzz.steps import random_steps

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

_LABELS = ("128K", "128K", "132K", "200K", "256K", "1M", "2M", "8M")


def random_scenario(target: Target, seed: int, index: int) -> dict[str, Any]:
    """One scenario for one target, the same for the same seed and index."""
    rng = random.Random(f"{seed} {target.name} {index}")
    machine = target.pmem
    assert machine is not None
    memory, ram, nodes = _memory(rng, target)
    pmem = _devices(rng, target, machine, ram, nodes)
    steps = [{"memory-model": None}, {"regions": None}, *random_steps(rng, target, pmem)]
    scenario = {
        "scenario": f"random-{seed}-{index}-{target.name.replace('_', '-')}",
        "summary": "drawn at random",
        "targets": [target.name],
        "layout": {**memory, "pmem": pmem},
    }
    return {**scenario, "steps": only_legal(target, scenario, steps)}


def _memory(rng: random.Random, target: Target) -> tuple[dict[str, Any], int, int]:
    """Fields of the layout, bytes of RAM, and the number of nodes (0 without any)."""
    granule = target.qemu.ram_granule
    if target.qemu.numa and rng.random() < 0.35:
        unit = max(granule, target.mmu.section_size)
        sizes = [unit * (rng.randint(512 * MIB, GIB) // unit) for _ in range(rng.randint(2, 4))]
        return {"nodes": sizes}, sum(sizes), len(sizes)
    ram = granule * (rng.randint(512 * MIB, 4 * GIB) // granule)
    ram = rng.choice((512 * MIB, GIB, 2 * GIB, 2 * GIB, 3 * GIB, 4 * GIB, ram))
    return {"ram": ram}, ram, 0


def _devices(
    rng: random.Random, target: Target, machine: PmemMachine, ram: int, nodes: int
) -> list[dict[str, Any]]:
    devices = []
    free = first_address(target, machine, ram)
    if machine.moved is not None and rng.random() < 0.05:
        free = machine.moved.to
    for _ in range(rng.choice((1, 1, 2, 3, 3, 5))):
        size = _size(rng, machine, ram)
        start = _start(rng, target, machine, free)
        if start + size > _end(machine, free):
            break
        device = {"size": size, "at": start, "label": rng.choice(_LABELS)}
        if nodes and rng.random() < 0.8:
            device["node"] = rng.randrange(nodes)
        devices.append(device)
        free = align_up(start + size, machine.start_granule)
    return devices


def _size(rng: random.Random, machine: PmemMachine, ram: int) -> int:
    """Mostly small, for what happens at the ends; now and then large for the RAM there is."""
    granule = machine.granule
    most = rng.choice((64 * MIB, 256 * MIB, GIB, 3 * GIB, 3 * GIB, 16 * ram))
    return granule * rng.randint(1, max(1, most // granule))


def _end(machine: PmemMachine, free: int) -> int:
    """Where addresses end for devices from ``free`` on."""
    if machine.moved is not None and free < machine.moved.to:
        return machine.moved.above
    return 1 << machine.address_bits


def _start(rng: random.Random, target: Target, machine: PmemMachine, free: int) -> int:
    mmu, unit = target.mmu, machine.start_granule
    if rng.random() < 0.3:
        return free
    boundaries = (mmu.section_size, mmu.pmd_size, mmu.pud_size, 2 * GIB, 4 * GIB, 16 * GIB)
    boundary = max(unit, min(16 * GIB, rng.choice(boundaries)))
    gaps = (0, 0, 0, rng.randrange(GIB), rng.randrange(40 * GIB), rng.randrange(150 * GIB))
    near = align_up(free + rng.choice(gaps), boundary)
    off = unit * rng.choice((0, 1, -1, 2, 3, 31, 33, -5, rng.randrange(64)))
    return max(free, near + off)
