"""A file system with DAX on the block device of a namespace."""

from __future__ import annotations

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
{allocate}
dd if=/dev/zero of=$mount/file bs={chunk} count={size} iflag=count_bytes conv=notrunc \
    2>/run/daxhound.dd || {{ cat /run/daxhound.dd >&2; fail 1; }}
"""

# The block size is the page size, which DAX needs; mkfs.ext4 asks before it makes blocks
# larger than 4K, which -F answers. Reflink and DAX exclude each other in older kernels.
_MAKE = {
    "ext4": "mkfs.ext4 -q -F -b {block}",
    "xfs": "mkfs.xfs -q -f -b size={block} -m reflink=0",
}

# Both begin what is allocated at once at a stripe.
_STRIPES = {
    "ext4": "-E stride={blocks},stripe_width={blocks}",
    "xfs": "-d su={size},sw=1",
}
_ALLOCATE = "fallocate -l {size} $mount/file || fail $?"

_FILESYSTEM = """\
device blockdev {region} && [ -b /dev/$device ] || {{ mark refused; echo no block device; exit 0; }}
mount=/mnt/region{region}
if [ -d $mount ]; then umount $mount 2>/dev/null; else mkdir -p $mount; fi
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


def _stripes(step: Filesystem, context: StepContext) -> str:
    """mkfs options by which files begin at whole PMDs."""
    pmd = context.target.mmu.pmd_size
    if not step.huge or not pmd:
        return ""
    return _STRIPES[step.type].format(blocks=pmd // context.page_size, size=pmd)


def make_filesystem(step: Filesystem, shell: Shell, context: StepContext) -> Observation:
    """A file system on the region's block device, mounted with DAX, and a file in it."""
    make = fill = ""
    if step.make:
        command = f"{_MAKE[step.type].format(block=context.page_size)} {_stripes(step, context)}"
        make = f"{command} /dev/$device >/dev/null || fail $?"
        allocate = _ALLOCATE.format(size=step.file_size) if step.huge else ""
        fill = _FILL.format(chunk=CHUNK, size=step.file_size, allocate=allocate)
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
