"""Memory nodes: which exist, and which one a pmem device and its struct pages belong to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.records import Expected, PmemDevice


def expect_nodes(machine: Machine, given: Collection[int] = ()) -> tuple[Expected, ...]:
    """The nodes that are online, with those that were ``given`` RAM of devices."""
    if not machine.kernel.has("NUMA"):
        return ()
    with_ram = sorted({*nodes_with_ram(machine), *given})
    online, why = "0", "the layout has no nodes"
    if machine.layout.nodes and not machine.reads_nodes:
        why = "built without ACPI_NUMA"
    elif machine.layout.nodes:
        online, why = _as_list(with_ram), f"{len(with_ram)} nodes of RAM"
    return (Expected("nodes", online, RULES["numa.nodes"], because=why),)


def _as_list(numbers: Sequence[int]) -> str:
    """Ascending numbers as the kernel prints them, such as 0-1,3 (lib/vsprintf.c, %*pbl)."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    ]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def nodes_with_ram(machine: Machine) -> tuple[int, ...]:
    """Those of the layout that have RAM from the start; none where it has no nodes."""
    return tuple(node for node, size in enumerate(machine.layout.nodes) if size)


def node_of(machine: Machine, device: PmemDevice) -> int:
    """The node that a device is on; 0 where the layout names none, or nobody looks."""
    return (device.node or 0) if machine.reads_nodes else 0


def nearest_node(machine: Machine, device: PmemDevice) -> int:
    """The device's node where that has RAM, else the first that has: none is nearer."""
    node, with_ram = node_of(machine, device), nodes_with_ram(machine)
    return node if node in with_ram or not with_ram else with_ram[0]


def expect_region_nodes(machine: Machine, name: str, device: PmemDevice) -> tuple[Expected, ...]:
    """The nearest node that is online, and the device's own, which its memory would have."""
    if not machine.kernel.has("NUMA"):
        return ()
    rule = RULES["numa.region"]
    return (
        Expected(f"{name}.numa_node", nearest_node(machine, device), rule),
        Expected(f"{name}.target_node", node_of(machine, device), rule),
    )
