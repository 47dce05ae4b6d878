"""A guest whose power is cut, and what it finds when it is on again."""

from __future__ import annotations

from collections.abc import Iterator

from harness.command_line import GuestFiles
from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.namespaces import namespace_values
from harness.guest.steps.script import run_script
from harness.machine.labels import damage_labels
from harness.observe.labels import broken_index_blocks
from harness.observe.memmap import initialised_pages
from harness.observe.ndctl import NamespaceInfo, parse_namespaces
from harness.observe.sections import parse_attributes, read_integer
from harness.records import CommandRecord, Layout, Observation, Scalar
from harness.scenario.life_steps import PowerCycle

_FIND = """\
mark messages
dmesg | grep -e 'memmap_init_zone_device init' -e nsindex
index=0
while region $index; do
    mark region$index
    echo name=$region
    show $nd/$region/available_size available_bytes
    show $nd/$region/mapping0 mapping
    mark namespaces$index
    ndctl list --namespaces --region=$region || exit
    index=$((index + 1))
done
"""

# What create-namespace leaves for later steps and reads of the device that it made.
_LOOK = """\
mark {name}
show $nd/{name}/resource start
holder=; read -r holder <$nd/{name}/holder 2>/dev/null
[ -z "$holder" ] || show $nd/$holder/resource resource
"""
_LOOK_CHARDEV = """\
echo {device} >/run/daxhound-region{region}.chardev
show /sys/bus/dax/devices/{device}/size chardev_bytes
"""
_LOOK_BLOCKDEV = """\
echo {device} >/run/daxhound-region{region}.blockdev
show /sys/block/{device}/size blockdev_sectors
show /sys/block/{device}/queue/logical_block_size block_bytes
"""


def power_cycle(step: PowerCycle, _shell: Shell, context: StepContext) -> Observation:
    """Regions, namespaces and struct pages as the next boot found them.

    Raises what ``Power.power_cycle`` raises, and InfrastructureError for a guest whose switch
    the harness does not have.
    """

    def while_off(files: GuestFiles, layout: Layout) -> None:
        if step.damage is not None:
            by_address = sorted(range(len(layout.pmem)), key=lambda i: layout.pmem[i].start)
            index = by_address[step.region]
            damage_labels(files.pmem_backing(index), layout.pmem[index], step.damage)

    if context.power is None:
        raise InfrastructureError("nobody gave the step the guest's power switch")
    return _observe(step, context.power.power_cycle(while_off), context)


def _observe(step: PowerCycle, shell: Shell, context: StepContext) -> Observation:
    found = run_script(shell, _FIND, context.deadline())
    if found.record.status != 0:
        raise InfrastructureError(f"ndctl lists no namespaces: {found.record.stderr.strip()}")
    messages = found.section("messages")
    broken = broken_index_blocks(messages)
    values: dict[str, Scalar] = {"memmap_pages": _words(sorted(initialised_pages(messages)))}
    records = [found.record]
    regions = 0
    while f"region{regions}" in found.sections:
        name = f"region{regions}"
        region = parse_attributes(found.section(name))
        listed = parse_namespaces(found.section(f"namespaces{regions}"))
        dimm = region.get("mapping", "").partition(",")[0]
        values |= {
            f"{name}.namespaces": len(listed),
            f"{name}.available_bytes": read_integer(region.get("available_bytes")),
            f"{name}.broken_index_blocks": _words(broken.get(dimm, ())),
        }
        if listed:
            namespaces, record = _look(regions, listed, shell, context)
            records.append(record)
            values |= {f"{name}.{key}": value for key, value in namespaces}
        regions += 1
    return Observation(step.kind, {"regions": regions, **values}, tuple(records))


def _look(
    region: int, listed: tuple[NamespaceInfo, ...], shell: Shell, context: StepContext
) -> tuple[list[tuple[str, Scalar]], CommandRecord]:
    """What there is to see of each namespace; those without a device are at the end."""
    # The highest address, which has the last number, is asked for last: steps use that one.
    ordered = sorted(listed, key=lambda info: int(info.name.rpartition(".")[2]))
    script = "".join(line for info in ordered for line in _questions(region, info))
    output = run_script(shell, script + ":\n", context.deadline())
    sysfs = {info.name: parse_attributes(output.section(info.name)) for info in listed}

    def start(info: NamespaceInfo) -> int:
        return read_integer(sysfs[info.name].get("start")) or 0

    values: list[tuple[str, Scalar]] = []
    for number, info in enumerate(sorted(listed, key=start)):
        seen = namespace_values(info, sysfs[info.name])
        values += [(f"{number}.{name}", value) for name, value in seen.items()]
    return values, output.record


def _questions(region: int, info: NamespaceInfo) -> Iterator[str]:
    yield _LOOK.format(name=info.name)
    if info.chardev is not None:
        yield _LOOK_CHARDEV.format(device=info.chardev, region=region)
    if info.blockdev is not None:
        yield _LOOK_BLOCKDEV.format(device=info.blockdev, region=region)


def _words(numbers: tuple[int, ...] | list[int]) -> str:
    return " ".join(map(str, numbers))
