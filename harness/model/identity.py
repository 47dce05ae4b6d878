"""What the guest is: its pages, its MMU, its kernel, and how memory is arranged in it."""

from __future__ import annotations

from harness.model.machine import MIB, POWERPC, Machine
from harness.model.numa import devices_as_ram, expect_nodes, expect_nodes_with_memory
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction
from harness.scenario.steps import MemoryModel

# arch/powerpc/mm/init_64.c, probe_memory_block_size
_NODE_BLOCKS = (1 << 30, 256 << 20, 64 << 20)
_PSERIES_BLOCK = 256 * MIB


def predict_guest(machine: Machine) -> Prediction:
    """What the booted guest must show before any step."""
    expected = [
        Expected("page_size", machine.page, RULES["guest.page-size"]),
        Expected("release", machine.kernel.release, RULES["guest.release"]),
    ]
    pmd_size = machine.pmd if machine.has_huge_pages else 0
    expected.append(Expected("pmd_size", pmd_size, RULES["guest.pmd-size"]))
    cpuinfo = machine.target.mmu.cpuinfo
    if cpuinfo is not None:
        rule = RULES["guest.mmu"]
        expected.append(Expected("cpuinfo_mmu", cpuinfo, rule, "contains"))
    return Prediction("guest", tuple(expected))


def predict_memory_model(state: GuestState, step: MemoryModel) -> Prediction:
    """How the kernel arranged memory: nodes, hotplug blocks, and hash's own pages."""
    machine = state.machine
    given = [(node, ram) for node, _, ram in devices_as_ram(state) if node is not None]
    expected = [
        *expect_nodes(machine, {node for node, ram in given if ram.plugged}),
        *expect_nodes_with_memory(machine, given),
    ]
    if machine.kernel.has("MEMORY_HOTPLUG"):
        block, why = memory_block(machine)
        rule = RULES["memory.block"]
        expected.append(Expected("memory_block_bytes", block, rule, because=why))
    if machine.mmu == "hash":
        linear, vmemmap = RULES["hash.linear-page"], RULES["hash.vmemmap-page"]
        expected += [
            Expected("linear_page_bytes", machine.linear_page, linear),
            Expected("vmemmap_page_bytes", machine.vmemmap_page, vmemmap),
        ]
    return Prediction(step.kind, tuple(expected))


def memory_block(machine: Machine) -> tuple[int, str]:
    """Bytes that memory is hotplugged in, and why."""
    if machine.mmu in POWERPC and machine.layout.pmem:
        return _PSERIES_BLOCK, "QEMU gives hotplug memory in blocks of 256M"
    if machine.mmu in POWERPC and machine.probe("powerpc_block_of_nodes", since=(6, 6)):
        ram = machine.layout.ram_bytes
        block = next((size for size in _NODE_BLOCKS if ram % size == 0), machine.section)
        return block, f"the largest of 1G, 256M, 64M that RAM of {ram:#x} is made of"
    return machine.section, f"a section of {machine.section:#x}"
