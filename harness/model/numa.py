"""Memory nodes: which exist, and which one a pmem device and its struct pages belong to."""

from __future__ import annotations

from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.records import Expected, PmemDevice


def expect_nodes(machine: Machine) -> tuple[Expected, ...]:
    """The nodes that are online."""
    if not machine.kernel.has("NUMA"):
        return ()
    count = len(machine.layout.nodes)
    online, why = "0", "the layout has no nodes"
    if count and not machine.reads_nodes:
        why = "built without ACPI_NUMA"
    elif count:
        online, why = f"0-{count - 1}" if count > 1 else "0", f"{count} nodes of RAM"
    return (Expected("nodes", online, RULES["numa.nodes"], because=why),)


def node_of(machine: Machine, device: PmemDevice) -> int:
    """The node that a device is on; 0 where the layout names none, or nobody looks."""
    return (device.node or 0) if machine.reads_nodes else 0


def expect_region_nodes(machine: Machine, name: str, device: PmemDevice) -> tuple[Expected, ...]:
    """The region's own node, and the nearest one that is online: the same, with RAM in it."""
    if not machine.kernel.has("NUMA"):
        return ()
    node, rule = node_of(machine, device), RULES["numa.region"]
    return (
        Expected(f"{name}.numa_node", node, rule),
        Expected(f"{name}.target_node", node, rule),
    )
