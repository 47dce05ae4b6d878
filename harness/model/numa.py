"""Memory nodes: which exist, and which one a pmem device and its struct pages belong to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

from harness.model.machine import Machine
from harness.model.ram import Ram
from harness.model.rules import RULES
from harness.model.soft_reserved import ram_of_nodes
from harness.model.state import Devdax, GuestState
from harness.records import Expected, PmemDevice


def expect_nodes(machine: Machine, given: Collection[int] = ()) -> tuple[Expected, ...]:
    """The nodes that are online, with those that were ``given`` RAM of devices."""
    if not machine.kernel.has("NUMA"):
        return ()
    online, why = _listed(machine, given)
    return (Expected("nodes", online, RULES["numa.nodes"], because=why),)


def expect_nodes_with_memory(
    machine: Machine, given: Collection[tuple[int, Ram]]
) -> tuple[Expected, ...]:
    """The nodes that have memory in use, and such that the kernel may have for itself."""
    if not machine.kernel.has("NUMA"):
        return ()
    used = [(node, ram) for node, ram in given if ram.online != "nothing"]
    memory, why = _listed(machine, {node for node, _ in used})
    normal, kernels = _listed(machine, {node for node, ram in used if not ram.movable})
    return (
        Expected("nodes_with_memory", memory, RULES["numa.memory"], because=why),
        Expected("nodes_with_normal_memory", normal, RULES["numa.normal-memory"], because=kernels),
    )


def _listed(machine: Machine, given: Collection[int]) -> tuple[str, str]:
    """Nodes that have RAM from the start and those that were given some, and why these."""
    if not machine.layout.nodes:
        return "0", "the layout has no nodes"
    if not machine.reads_nodes:
        return "0", "built without ACPI_NUMA"
    nodes = sorted({*ram_of_nodes(machine), *given})
    return _as_list(nodes), f"{len(nodes)} nodes of RAM"


def _as_list(numbers: Sequence[int]) -> str:
    """Ascending numbers as the kernel prints them, such as 0-1,3 (lib/vsprintf.c, %*pbl)."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    ]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def node_of(machine: Machine, device: PmemDevice) -> int:
    """The node that a device is on; 0 where the layout names none, or nobody looks."""
    return (device.node or 0) if machine.reads_nodes else 0


def devices_as_ram(state: GuestState) -> Iterator[tuple[int | None, Devdax, Ram]]:
    """Each device that is RAM at this point: its node, and what kmem has of it."""
    for region in state.regions:
        if region.system_ram is not None and region.ram is not None:
            yield node_of(state.machine, region.device), region.system_ram, region.ram
    for dynamic in state.dax_regions:
        for device in dynamic.devices.values():
            if device.ram is not None:
                yield dynamic.node, device, device.ram


def nearest_node(machine: Machine, device: PmemDevice) -> int:
    """The device's node where that has RAM, else the first that has: none is nearer."""
    node, with_ram = node_of(machine, device), ram_of_nodes(machine)
    return node if node in with_ram else min(with_ram)


def expect_region_nodes(machine: Machine, name: str, device: PmemDevice) -> tuple[Expected, ...]:
    """The nearest node that is online, and the device's own, which its memory would have."""
    if not machine.kernel.has("NUMA"):
        return ()
    rule = RULES["numa.region"]
    return (
        Expected(f"{name}.numa_node", nearest_node(machine, device), rule),
        Expected(f"{name}.target_node", node_of(machine, device), rule),
    )
