"""Scenarios drawn at random: any legal size, start, alignment, label area and node."""

from __future__ import annotations

import random
from typing import Any

from harness.target import PmemMachine, Target

MIB, GIB = 1 << 20, 1 << 30
UNIT = 16 * MIB

_MOST_BYTES = 3 * GIB
_SECTORS = (512, 520, 528, 4096, 4104, 4160, 4224)
_ROUNDS = 3


def random_scenario(target: Target, seed: int, index: int) -> dict[str, Any]:
    """One scenario for one target, the same for the same seed and index."""
    rng = random.Random(f"{seed} {target.name} {index}")
    machine = target.pmem
    assert machine is not None
    nodes = target.qemu.numa and rng.random() < 0.3
    memory: dict[str, Any] = {"nodes": ["1G", "1G"]} if nodes else {"ram": "2G"}
    pmem = _devices(rng, machine, nodes)
    return {
        "scenario": f"random-{seed}-{index}-{target.name.replace('_', '-')}",
        "summary": "drawn at random",
        "targets": [target.name],
        "layout": {**memory, "pmem": pmem},
        "steps": [{"memory-model": None}, {"regions": None}, *_steps(rng, target, pmem)],
    }


def _devices(rng: random.Random, machine: PmemMachine, nodes: bool) -> list[dict[str, Any]]:
    devices = []
    free = max(machine.start, 4 * GIB)
    for _ in range(rng.choice((1, 1, 2))):
        granule = machine.granule
        size = rng.randrange(max(granule, 32 * MIB), _MOST_BYTES, granule)
        gap = rng.choice((0, 0, rng.randrange(0, 40 * GIB)))
        start = free + gap - (free + gap) % machine.start_granule
        start += machine.start_granule * (start < free)
        device = {"size": size, "at": start, "label": rng.choice(("128K", "256K", "1M"))}
        if nodes:
            device["node"] = rng.randrange(2)
        devices.append(device)
        free = start + size + rng.choice((0, UNIT, 7 * UNIT))
        free += -free % machine.start_granule
    return devices


def _steps(rng: random.Random, target: Target, pmem: list[dict[str, Any]]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for _ in range(_ROUNDS):
        region = rng.randrange(len(pmem))
        for _ in range(rng.randint(1, 3)):
            steps.append({"create-namespace": _namespace(rng, target, pmem[region], region)})
        steps.append({"destroy-namespaces": {"region": region}})
    return steps


def _namespace(
    rng: random.Random, target: Target, device: dict[str, Any], region: int
) -> dict[str, Any]:
    mode = rng.choice(("devdax", "devdax", "devdax", "fsdax", "fsdax", "raw", "sector"))
    fields: dict[str, Any] = {"region": region, "mode": mode}
    if mode in ("devdax", "fsdax"):
        # With map=dev most sizes are a known defect on arm64: such cells show nothing more.
        few = target.mmu.kind == "arm64"
        fields["map"] = rng.choice(("mem", "mem", "mem", "dev") if few else ("mem", "dev"))
        if rng.random() < 0.8:
            mmu = target.mmu
            sizes = (mmu.page_size, mmu.pmd_size, mmu.pmd_size, mmu.pud_size)
            fields["align"] = rng.choice(sizes)
    elif mode == "sector":
        fields["sector_size"] = rng.choice(_SECTORS)
    if rng.random() < 0.75:
        most = max(1, device["size"] // UNIT)
        fields["size"] = UNIT * rng.randint(1, rng.choice((most, max(1, most // 4))))
        if rng.random() < 0.05:
            fields["size"] += MIB
    return fields
