"""A region made read-only and writable again: what its block device says, and takes."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.script import ScriptOutput, run_script
from harness.observe.errno_names import find_errno
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation, Scalar
from harness.scenario.life_steps import ReadOnly

# What is written is what was there. The last one to close a device writes it out.
_READ_ONLY = """\
region {region} || lack 'no region {region}'
block=
! device blockdev {region} || [ ! -b /dev/$device ] || block=$device
kept=/run/daxhound-kept
[ -z "$block" ] || dd if=/dev/$block of=$kept bs=4096 count=1 2>/dev/null ||
    lack "the first page of $block"
# look NAME: the region, its block device, and what a write to that says
look() {{
    mark $1
    show $nd/$region/read_only region
    [ -n "$block" ] || return 0
    show /sys/block/$block/ro disk
    said=$(dd if=$kept of=/dev/$block bs=4096 conv=notrunc 2>&1)
    echo status=$?
    mark $1-said; echo "$said"
}}
echo 1 >$nd/$region/read_only
look set
echo 0 >$nd/$region/read_only
look cleared
rm -f $kept
"""


def turn_read_only(step: ReadOnly, shell: Shell, context: StepContext) -> Observation:
    """The region and its block device, each time that the region was turned."""
    output = run_script(shell, _READ_ONLY.format(region=step.region), context.deadline())
    values = {**_values(output, "set"), **_values(output, "cleared")}
    return Observation(step.kind, values, (output.record,))


def _values(output: ScriptOutput, name: str) -> dict[str, Scalar]:
    found = parse_attributes(output.section(name))
    values: dict[str, Scalar] = {f"{name}.region": read_integer(found.get("region"))}
    if "status" not in found:
        return values
    written = found["status"] == "0"
    values |= {f"{name}.disk": read_integer(found.get("disk")), f"{name}.written": written}
    if not written:
        values[f"{name}.errno"] = find_errno(output.section(f"{name}-said"))
    return values
