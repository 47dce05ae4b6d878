"""Block devices of namespaces: a file system with DAX on one, or plain data to and fro."""

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
from harness.scenario.steps import Filesystem, WriteRead

_CHUNK = 1 << 20
_DAX_OPTION = re.compile(r"(?:^|,)dax(?:=always)?(?:,|$)")

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
{make} /dev/$device >/dev/null || fail $?
mount -t {type} -o dax /dev/$device $mount || fail $?
dd if=/dev/zero of=$mount/file bs={chunk} count={count} 2>/run/daxhound.dd ||
    {{ cat /run/daxhound.dd >&2; fail 1; }}
mark mounted
while read -r source target type options rest; do
    [ "$target" != $mount ] || echo options=$options
done </proc/mounts
stat -f -c block_bytes=%S $mount
stat -c file_bytes=%s $mount/file
"""

# A record is a number and 504 characters: no 512 bytes are like any others, so that none can
# be read for another, and seq has little to print. busybox's head and cmp go byte by byte.
_RECORD = 512
_DIGITS = 8
_FILLING = "daxhound" * ((_RECORD - _DIGITS) // 8)
_WRITE_READ = """\
device blockdev {region} && [ -b /dev/$device ] || {{ mark refused; echo no block device; exit 0; }}
[ -w /proc/sys/vm/drop_caches ] || lack 'vm.drop_caches (CONFIG_PROC_SYSCTL)'
cd /run
seq -s {filling} {first} {last} >daxhound.pattern || lack 'room for a pattern of {size} bytes'
truncate -s {size} daxhound.pattern
sum() {{ set -- $(md5sum); echo sum.$name=$1; }}
if dd if=daxhound.pattern of=/dev/$device bs={chunk} count={count} conv=fsync,notrunc \
    2>daxhound.dd; then
    mark compared
    name=written; sum <daxhound.pattern
    echo 3 >/proc/sys/vm/drop_caches
    name=read; dd if=/dev/$device bs={chunk} count={count} 2>daxhound.dd | sum
    mark read
else
    mark refused
fi
cat daxhound.dd
rm -f daxhound.pattern
"""
_BLOCKS_READ = re.compile(r"^(\d+)\+\d+ records in", re.MULTILINE)  # whole ones + parts


def make_filesystem(step: Filesystem, shell: Shell, context: StepContext) -> Observation:
    """A file system on the region's block device, mounted with DAX, and a file in it."""
    chunk = math.gcd(step.file_size, _CHUNK)
    script = _FILESYSTEM.format(
        region=step.region,
        make=_MAKE[step.type].format(block=context.page_size),
        type=step.type,
        chunk=chunk,
        count=step.file_size // chunk,
    )
    output = run_script(shell, script, context.deadline())
    if "refused" in output.sections:
        return _refused(step.kind, output.section("refused"), output.record)
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


def write_and_read(step: WriteRead, shell: Shell, context: StepContext) -> Observation:
    """A pattern written to the region's block device, and what comes back from the medium."""
    chunk = math.gcd(step.size, _CHUNK)
    first = 10 ** (_DIGITS - 1)
    script = _WRITE_READ.format(
        region=step.region,
        filling=_FILLING,
        first=first,
        last=first + step.size // _RECORD + 1,
        size=step.size,
        chunk=chunk,
        count=step.size // chunk,
    )
    output = run_script(shell, script, context.deadline())
    if "refused" in output.sections:
        return _refused(step.kind, output.section("refused"), output.record)
    sums = parse_attributes(output.section("compared"))
    if "sum.read" not in sums:
        raise InfrastructureError(f"the comparison broke off: {output.record.stderr}")
    blocks = _BLOCKS_READ.search(output.section("read"))
    values: dict[str, Scalar] = {
        "outcome": "identical" if sums["sum.read"] == sums.get("sum.written") else "differs",
        "bytes": int(blocks[1]) * chunk if blocks else None,
    }
    return Observation(step.kind, values, (output.record,))


def _refused(kind: str, said: str, record: CommandRecord) -> Observation:
    message = "; ".join(f"{said}\n{record.stderr}".split("\n")).strip("; ")
    message = message.partition("; Usage:")[0]
    values: dict[str, Scalar] = {
        "outcome": "refused",
        "errno": find_errno(message),
        "message": message,
    }
    return Observation(kind, values, (record,))
