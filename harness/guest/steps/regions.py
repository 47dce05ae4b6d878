"""Regions: what the kernel made of the layout, and the namespaces taken out of them."""

from __future__ import annotations

import re

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.memory import measured, memory_taken
from harness.guest.steps.script import run_script
from harness.observe.ndctl import parse_refusal
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation, Scalar
from harness.scenario.steps import DestroyNamespaces, Regions

_REGIONS = """\
mark regions
index=0
while region $index; do
    show $nd/$region/size region$index.size_bytes
    show $nd/$region/resource region$index.start
    show $nd/$region/available_size region$index.available_bytes
    show $nd/$region/align region$index.align_bytes
    show $nd/$region/numa_node region$index.numa_node
    show $nd/$region/target_node region$index.target_node
    show $nd/$region/set_cookie region$index.set_cookie
    seed=; read -r seed <$nd/$region/dax_seed 2>/dev/null
    [ -z "$seed" ] || show $nd/$seed/supported_alignments region$index.supported_alignments
    [ -z "$seed" ] || show $nd/$seed/align region$index.default_align
    index=$((index + 1))
done
echo regions=$index
"""

COUNT_LEFT = """\
mark left
left=0
for path in $nd/namespace${region#region}.*; do
    size=0; read -r size <$path/size 2>/dev/null
    [ "$size" = 0 ] || left=$((left + 1))
done
echo namespaces_left=$left
show $nd/$region/available_size available_bytes
"""

# Unmounted first: ndctl refuses to touch a namespace with a mounted file system on it. Names of
# devices are forgotten without a process that removes their files.
_DESTROY = """\
region {index} || lack 'no region {index}'
[ ! -d /mnt/region{index} ] || umount /mnt/region{index} 2>/dev/null
for path in /run/daxhound-region{index}.*; do [ ! -e $path ] || : >$path; done
{destroy}
status=$?
{count_left}
exit $status
"""

_FULL = re.compile(r"region(\d+)\.size_bytes")


def show_regions(step: Regions, shell: Shell, context: StepContext) -> Observation:
    """The regions as sysfs has them."""
    output = run_script(shell, _REGIONS, context.deadline())
    values = _region_values(output.section("regions"))
    return Observation(step.kind, values, (output.record,))


def destroy_namespaces(step: DestroyNamespaces, shell: Shell, context: StepContext) -> Observation:
    """Every namespace of a region destroyed, and what is left of them."""
    destroy = measured("ndctl destroy-namespace --force --region=$region all")
    script = _DESTROY.format(index=step.region, destroy=destroy, count_left=COUNT_LEFT)
    output = run_script(shell, script, context.deadline())
    left = parse_attributes(output.section("left"))
    values: dict[str, Scalar] = {name: read_integer(text) for name, text in left.items()}
    if output.record.status == 0:
        values |= {"outcome": "destroyed", **memory_taken(output, context.page_size)}
    else:
        refusal = parse_refusal(output.record.stderr, output.record.status)
        values |= {"outcome": "refused", "errno": refusal.errno, "message": refusal.message}
    return Observation(step.kind, values, (output.record,))


def check_regions(shell: Shell, context: StepContext) -> None:
    """Hold the regions to be free where the harness has labelled them: x86 and arm64.

    Raises InfrastructureError where one is not.
    """
    pmem = context.target.pmem
    if pmem is None or pmem.starts_labelled:
        return
    values = _region_values(run_script(shell, _REGIONS, context.deadline()).section("regions"))
    for name, size in values.items():
        match = _FULL.fullmatch(name)
        if match and isinstance(size, int):
            _check_empty(values, f"region{match[1]}", size)


def _check_empty(values: dict[str, Scalar], region: str, size: int) -> None:
    """All of the region is free, but for what is no whole unit of allocation."""
    unit = values.get(f"{region}.align_bytes")
    free = values.get(f"{region}.available_bytes")
    whole = size - size % unit if isinstance(unit, int) and unit else size
    if free != whole:
        raise InfrastructureError(f"{region} has {free} of {whole} bytes free at first")


def _region_values(section: str) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for name, text in parse_attributes(section).items():
        if name.endswith(".supported_alignments"):
            values[name] = " ".join(map(str, sorted(map(int, text.split()))))
        else:
            values[name] = read_integer(text)
    return values
