"""What a step takes of the guest's memory for struct pages, and gives back."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.script import ScriptOutput, run_script
from harness.observe.meminfo import direct_map_bytes
from harness.observe.memmap import new_initialised_pages, page_orders
from harness.observe.sections import parse_attributes, read_integer
from harness.observe.vmstat import counter_change, parse_vmstat
from harness.observe.zoneinfo import pages_taken
from harness.records import Observation, Scalar
from harness.scenario.steps import MemoryModel

# The counters of free pages are kept per CPU and folded on a write to stat_refresh
# (mm/vmstat.c, vmstat_refresh). From 6.4 the message about struct pages is pr_debug; steps
# that take a device from its driver and give it back have such messages, too.
MEASURE = """\
measure() {
    mark memory-$1
    echo 1 >/proc/sys/vm/stat_refresh
    grep -hE '^Node|pages free|count:|^nr_memmap_pages|^DirectMap' \\
        /proc/zoneinfo /proc/vmstat /proc/meminfo
} 2>/dev/null
follow_memmap() {
    echo 'func memmap_init_zone_device +p' >/proc/dynamic_debug/control
    mark memmap-seen
    echo seen=$(dmesg | grep -c 'memmap_init_zone_device init')
} 2>/dev/null
show_memmap() {
    mark memmap
    dmesg | grep 'memmap_init_zone_device init'
} 2>/dev/null
"""

_MEMORY_MODEL = """\
mark nodes
show /sys/devices/system/node/online nodes
show /sys/devices/system/memory/block_size_bytes block
mark messages
dmesg | grep 'Page orders:'
:
"""


def memory_taken(output: ScriptOutput, page_size: int) -> dict[str, Scalar]:
    """Bytes of RAM that went between two ``measure`` calls, over all and by node.

    ``memmap_counted_pages`` is what the kernel counted as struct pages' memory, None
    where it does not count (before 6.11); ``direct_map_bytes`` what it mapped for itself,
    not there where it does not say.
    """
    before, after = output.section("memory-before"), output.section("memory-after")
    if not after:
        return {}
    taken = {node: pages * page_size for node, pages in pages_taken(before, after).items()}
    counted = counter_change(parse_vmstat(before), parse_vmstat(after), "nr_memmap_pages")
    values: dict[str, Scalar] = {
        "ram_bytes": sum(taken.values()),
        "memmap_counted_pages": counted,
    }
    mapped = direct_map_bytes(before), direct_map_bytes(after)
    if mapped[0] is not None and mapped[1] is not None:
        values["direct_map_bytes"] = mapped[1] - mapped[0]
    return values | {f"node{node}.ram_bytes": size for node, size in taken.items()}


def memmap_initialised(output: ScriptOutput) -> dict[str, Scalar]:
    """Struct pages that the kernel says it initialised during the step."""
    if "memmap" not in output.sections:
        return {}
    seen = read_integer(parse_attributes(output.section("memmap-seen")).get("seen")) or 0
    return {"memmap_pages": new_initialised_pages(seen, output.section("memmap"))}


def show_memory_model(step: MemoryModel, shell: Shell, context: StepContext) -> Observation:
    """Nodes, memory blocks, and the pages that hash maps memory by."""
    output = run_script(shell, _MEMORY_MODEL, context.deadline())
    found = parse_attributes(output.section("nodes"))
    block = found.get("block")
    orders = page_orders(output.section("messages"))
    values: dict[str, Scalar] = {
        "nodes": found.get("nodes"),
        "memory_block_bytes": None if block is None else int(block, 16),
        "linear_page_bytes": orders and orders[0],
        "vmemmap_page_bytes": orders and orders[1],
    }
    return Observation(step.kind, values, (output.record,))
