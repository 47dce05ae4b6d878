"""Data written to the memory of a namespace and read back, at once or after a while."""

from __future__ import annotations

import math
import re
from typing import Literal

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.filesystem import CHUNK, refused
from harness.guest.steps.mapping import early
from harness.guest.steps.probe import ProbeRun, run_probe, signal_values
from harness.guest.steps.script import run_script
from harness.observe.daxprobe import first_errno, integer
from harness.observe.sections import parse_attributes
from harness.records import Observation, Scalar
from harness.scenario.steps import ReadBack, WriteRead

# A record is a number and 504 characters: no 512 bytes are like any others, so that none can
# be read for another, and seq has little to print. busybox's head and cmp go byte by byte.
_RECORD = 512
_DIGITS = 8
_FILLING = "daxhound" * ((_RECORD - _DIGITS) // 8)
_COMPARE = """\
device blockdev {region} && [ -b /dev/$device ] || {{ mark refused; echo no block device; exit 0; }}
[ -w /proc/sys/vm/drop_caches ] || lack 'vm.drop_caches (CONFIG_PROC_SYSCTL)'
cd /run
seq -s {filling} {first} {last} >daxhound.pattern || lack 'room for a pattern of {size} bytes'
truncate -s {size} daxhound.pattern
sum() {{ set -- $(md5sum); echo sum.$name=$1; }}
if {write} 2>daxhound.dd; then
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
_WRITE = "dd if=daxhound.pattern of=/dev/$device bs={chunk} count={count} conv=fsync,notrunc"
_BLOCKS_READ = re.compile(r"^(\d+)\+\d+ records in", re.MULTILINE)  # whole ones + parts

_WORD = 8


def write_and_read(step: WriteRead, shell: Shell, context: StepContext) -> Observation:
    """A pattern written, and what comes back from the medium."""
    return _exchange(step, shell, context, writes=True)


def read_back(step: ReadBack, shell: Shell, context: StepContext) -> Observation:
    """What the medium still has of a pattern."""
    return _exchange(step, shell, context, writes=False)


def _exchange(step: WriteRead, shell: Shell, context: StepContext, *, writes: bool) -> Observation:
    if step.memory == "block":
        return _by_device(step, shell, context, writes=writes)
    return _by_mapping(step, step.memory, shell, context, writes=writes)


def _by_device(step: WriteRead, shell: Shell, context: StepContext, *, writes: bool) -> Observation:
    chunk = math.gcd(step.size, CHUNK)
    count = step.size // chunk
    first = 10 ** (_DIGITS - 1)
    script = _COMPARE.format(
        region=step.region,
        filling=_FILLING,
        first=first,
        last=first + step.size // _RECORD + 1,
        size=step.size,
        chunk=chunk,
        count=count,
        write=_WRITE.format(chunk=chunk, count=count) if writes else ":",
    )
    output = run_script(shell, script, context.deadline())
    if "refused" in output.sections:
        return refused(step.kind, output.section("refused"), output.record)
    sums = parse_attributes(output.section("compared"))
    if "sum.read" not in sums:
        raise InfrastructureError(f"the comparison broke off: {output.record.stderr}")
    blocks = _BLOCKS_READ.search(output.section("read"))
    values: dict[str, Scalar] = {
        "outcome": "identical" if sums["sum.read"] == sums.get("sum.written") else "differs",
        "bytes": int(blocks[1]) * chunk if blocks else None,
    }
    return Observation(step.kind, values, (output.record,))


def _by_mapping(
    step: WriteRead,
    memory: Literal["fsdax", "devdax"],
    shell: Shell,
    context: StepContext,
    *,
    writes: bool,
) -> Observation:
    mapped = f'map:shared:rw:0:{step.size}:"$file"'
    verify = f"touch:verify:0:{step.size}:{_WORD}"
    peek = f"peek:0:{step.size}:{math.gcd(step.size, CHUNK)}"
    operations = [verify, "protect:r", verify, "protect:rw", peek, "unmap"]
    if not writes:
        operations = [mapped, *operations]
    elif step.hole:
        reads = f"touch:read:0:{step.size}:{context.page_size}"
        stored = f'store:{step.size}:"$file"'
        operations = [f'punch:{step.size}:"$file"', mapped, reads, stored, *operations]
    else:
        # device-dax has no fsync: what it maps is as durable as the caches of the CPU.
        sync = ["sync"] if memory == "fsdax" else []
        fill = [f"touch:fill:0:{step.size}:{_WORD}", *sync, "unmap"]
        operations = [mapped, *fill, mapped, *operations]
    run = run_probe(step.kind, memory, step.region, operations, shell, context)
    values = early(run) or _what_came_back(run, step.size)
    return Observation(step.kind, values, (run.record,))


def _what_came_back(run: ProbeRun, size: int) -> dict[str, Scalar]:
    """By whichever way the least did."""
    replies = run.replies
    done = [*replies.of("sync"), *replies.of("punch"), *replies.of("store"), *replies.of("protect")]
    failed = first_errno(done)
    touches = replies.of("touch")[-2:]
    read = min(integer(reply, "touched_bytes") for reply in (*touches, *replies.of("peek")))
    return {
        "outcome": "identical" if read == size and failed is None else "differs",
        "bytes": read,
        "errno": failed,
        **signal_values(touches[0]),
    }
