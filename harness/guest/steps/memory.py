"""What a step takes of the guest's memory for struct pages, and gives back."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.script import ScriptOutput, run_script, say_mark
from harness.observe.meminfo import direct_map_bytes
from harness.observe.memmap import new_initialised_pages, page_orders
from harness.observe.sections import parse_attributes
from harness.observe.vmstat import counter_change, parse_vmstat
from harness.observe.zoneinfo import pages_taken
from harness.records import Observation, Scalar
from harness.scenario.steps import MemoryModel

# Each is one start of daxprobe, the better part of what one costs. The message about struct
# pages, from 6.4 on a debug message, is looked for behind where the log ended before the step:
# descriptor 5 is of /dev/kmsg, and all that inherit it share the position in it.
_MEMORY_BEFORE = f"{say_mark('memory-before')} memory"
_MEMORY_AFTER = f"{say_mark('memory-after')} memory"
_FOLLOW = "follow:5:memmap_init_zone_device"
_MEMMAP = f"{say_mark('memmap')} 'messages:5:memmap_init_zone_device init'"

MEASURE_BEFORE = f"daxprobe {_MEMORY_BEFORE}"
MEASURE_AFTER = f"daxprobe {_MEMORY_AFTER}"
FOLLOW_MEMMAP_BEFORE = f"daxprobe {_FOLLOW} {_MEMORY_BEFORE}"
FOLLOW_MEMMAP_AFTER = f"daxprobe {_MEMORY_AFTER} {_MEMMAP}"
"""What runs between those two has to be in one group with them, ``{ ... } 5</dev/kmsg``."""


def measured(command: str) -> str:
    """Shell text: the command between two measurements, its output on stderr."""
    return f"daxprobe {_MEMORY_BEFORE} do:2 '{{' {command} '}}' {_MEMORY_AFTER}"


def measured_with_memmap(command: str, variable: str) -> str:
    """The same, with the struct pages that are initialised; its output in a variable.

    The output alone: a shell takes the square of a text's length to find a name in it.
    """
    operations = f"{_FOLLOW} {_MEMORY_BEFORE} do:4 '{{' {command} '}}' {_MEMORY_AFTER} {_MEMMAP}"
    return f"{{ {variable}=$(daxprobe {operations} 4>&1 >&3 5</dev/kmsg); }} 3>&1"


_MEMORY_MODEL = f"""\
mark nodes
show /sys/devices/system/node/online nodes
show /sys/devices/system/node/has_memory memory
show /sys/devices/system/node/has_normal_memory normal
show /sys/devices/system/memory/block_size_bytes block
daxprobe {say_mark("messages")} 'messages:5:Page orders:' 5</dev/kmsg
"""


def memory_taken(output: ScriptOutput, page_size: int) -> dict[str, Scalar]:
    """Bytes of RAM that went between the two measurements, over all and by node.

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
    return {"memmap_pages": new_initialised_pages(output.section("memmap"))}


def show_memory_model(step: MemoryModel, shell: Shell, context: StepContext) -> Observation:
    """Nodes, memory blocks, and the pages that hash maps memory by."""
    output = run_script(shell, _MEMORY_MODEL, context.deadline())
    found = parse_attributes(output.section("nodes"))
    block = found.get("block")
    orders = page_orders(output.section("messages"))
    values: dict[str, Scalar] = {
        "nodes": found.get("nodes"),
        "nodes_with_memory": found.get("memory"),
        "nodes_with_normal_memory": found.get("normal"),
        "memory_block_bytes": None if block is None else int(block, 16),
        "linear_page_bytes": orders and orders[0],
        "vmemmap_page_bytes": orders and orders[1],
    }
    return Observation(step.kind, values, (output.record,))
