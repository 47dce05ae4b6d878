"""A file system with DAX on the block device of a namespace."""

from __future__ import annotations

import math
import re

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.script import run_script
from harness.observe.errno_names import find_errno
from harness.observe.sections import parse_attributes, read_integer
from harness.records import CommandRecord, Observation, Scalar
from harness.scenario.steps import Filesystem

CHUNK = 1 << 20
_DAX_OPTION = re.compile(r"(?:^|,)dax(?:=always)?(?:,|$)")

_FILL = """\
dd if=/dev/zero of=$mount/file bs={chunk} count={count} 2>/run/daxhound.dd ||
    {{ cat /run/daxhound.dd >&2; fail 1; }}
"""

# The block size is the page size, which DAX needs; mkfs.ext4 asks before it makes blocks
# larger than 4K, which -F answers. Reflink and DAX exclude each other in older kernels.
_MAKE = {
    "ext4": "mkfs.ext4 -q -F -b {block}",
    "xfs": "mkfs.xfs -q -f -b size={block} -m reflink=0",
}

_FILESYSTEM = """\
device blockdev {region} && [ -b /dev/$device ] || {{ mark refused; echo no block device; exit 0; }}
mount=/mnt/region{region}
mkdir -p $mount
umount $mount 2>/dev/null
fail() {{ [ $1 -ne 127 ] || exit 127; mark refused; exit 0; }}
{make}
mount -t {type} -o dax /dev/$device $mount || fail $?
{fill}
mark mounted
while read -r source target type options rest; do
    [ "$target" != $mount ] || echo options=$options
done </proc/mounts
stat -f -c block_bytes=%S $mount
stat -c file_bytes=%s $mount/file
"""


def make_filesystem(step: Filesystem, shell: Shell, context: StepContext) -> Observation:
    """A file system on the region's block device, mounted with DAX, and a file in it."""
    make = fill = ""
    if step.make:
        command = _MAKE[step.type].format(block=context.page_size)
        make = f"{command} /dev/$device >/dev/null || fail $?"
        chunk = math.gcd(step.file_size, CHUNK)
        fill = _FILL.format(chunk=chunk, count=step.file_size // chunk)
    script = _FILESYSTEM.format(region=step.region, make=make, type=step.type, fill=fill)
    output = run_script(shell, script, context.deadline())
    if "refused" in output.sections:
        return refused(step.kind, output.section("refused"), output.record)
    mounted = parse_attributes(output.section("mounted"))
    if "options" not in mounted:
        raise InfrastructureError(f"the file system is not mounted: {output.record.stderr}")
    values: dict[str, Scalar] = {
        "outcome": "mounted",
        "dax": _DAX_OPTION.search(mounted["options"]) is not None,
        "block_bytes": read_integer(mounted.get("block_bytes")),
        "file_bytes": read_integer(mounted.get("file_bytes")),
    }
    return Observation(step.kind, values, (output.record,))


def refused(kind: str, said: str, record: CommandRecord) -> Observation:
    """A command that failed, and what it said."""
    message = "; ".join(f"{said}\n{record.stderr}".split("\n")).strip("; ")
    message = message.partition("; Usage:")[0]
    values: dict[str, Scalar] = {
        "outcome": "refused",
        "errno": find_errno(message),
        "message": message,
    }
    return Observation(kind, values, (record,))
