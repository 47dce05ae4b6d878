"""A guest between two cells: everything the first one made is taken away, and looked for.

Whatever cannot be taken away, or is not as it was, makes the guest unfit for another cell;
it never makes a verdict.
"""

from __future__ import annotations

from harness.deadline import Deadline
from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.script import run_script
from harness.observe.sections import parse_attributes, read_integer
from harness.observe.vmstat import parse_meminfo, parse_vmstat

# Memory that a cell may keep for good: slabs, per-CPU lists, what ndctl left in caches.
DRIFT_BYTES = 48 << 20

_TIDY = """\
cd /
for path in /mnt/region*; do umount $path 2>/dev/null; done
set -- /run/daxhound*
[ ! -e "$1" ] || rm -f "$@"
for pool in /sys/kernel/mm/hugepages/*/nr_hugepages; do [ ! -w $pool ] || echo 0 >$pool; done
for path in $nd/region*; do
    [ -r $path/resource ] || continue
    for namespace in $nd/namespace${path##*/region}.*; do
        size=0; read -r size <$namespace/size 2>/dev/null
        [ "$size" = 0 ] || { ndctl destroy-namespace --force --region=${path##*/} all >&2; break; }
    done
done
idle=N; read -r idle 2>/dev/null </sys/module/dax_hmem/parameters/region_idle
for path in /sys/bus/platform/devices/hmem.*/dax_region; do
    [ $idle = Y ] && [ -d $path ] || continue
    read -r number <$path/id
    daxctl destroy-device --force --region=$number all
done >&2
"""
_LOOK = """\
echo 3 >/proc/sys/vm/drop_caches
echo 1 >/proc/sys/vm/stat_refresh
mark state
read -r tainted </proc/sys/kernel/tainted; echo tainted=$tainted
for path in $nd/region*; do
    [ -r $path/resource ] || continue
    read -r size <$path/size; read -r free <$path/available_size
    echo ${path##*/}=$((size - free))
done
for path in /sys/bus/dax/devices/*; do
    [ -d $path ] || continue
    read -r size <$path/size; read -r align <$path/align
    echo ${path##*/}.size=$size; echo ${path##*/}.align=$align
    [ -e $path/driver ] && echo ${path##*/}.driver=1 || echo ${path##*/}.driver=0
done
mark memory; cat /proc/vmstat /proc/meminfo
"""


class Housekeeping:
    """What one guest was like when it was new, and whether it still is."""

    def __init__(self, shell: Shell, deadline: Deadline) -> None:
        """Take the measure of a new guest. Raises what ``run_script`` raises."""
        self._shell = shell
        self._new = self._look("", deadline)

    def tidy(self, deadline: Deadline) -> str | None:
        """Take away what a cell left; what is then still not as it was, in words, or None.

        Raises KernelFailure where the kernel complains of it.
        """
        try:
            now = self._look(_TIDY, deadline)
        except InfrastructureError as exc:
            return str(exc)
        for name in self._new.keys() | now.keys():
            before, after = self._new.get(name), now.get(name)
            if name == "available":
                if abs((after or 0) - (before or 0)) > DRIFT_BYTES:
                    return f"{before} bytes of memory were available, now {after}"
            elif before != after:
                return f"{name} was {before}, is {after}"
        return None

    def _look(self, before: str, deadline: Deadline) -> dict[str, int | None]:
        output = run_script(self._shell, before + _LOOK, deadline)
        state = {
            name: read_integer(text)
            for name, text in parse_attributes(output.section("state")).items()
        }
        vmstat = parse_vmstat(output.section("memory"))
        memory = parse_meminfo(output.section("memory"))
        pinned = vmstat.get("nr_foll_pin_acquired", 0) - vmstat.get("nr_foll_pin_released", 0)
        return state | {
            "pinned pages": pinned,
            "HardwareCorrupted": memory.get("HardwareCorrupted"),
            "HugePages_Total": memory.get("HugePages_Total"),
            "available": memory.get("MemAvailable"),
        }
