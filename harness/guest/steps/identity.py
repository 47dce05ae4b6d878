"""What the guest is, whatever it was asked to be."""

from __future__ import annotations

import re

from harness.deadline import Deadline
from harness.guest.protocols import Shell
from harness.guest.steps.script import run_script
from harness.observe.sections import parse_attributes, read_integer
from harness.observe.vmstat import parse_meminfo
from harness.records import Observation, Scalar

_MMU = re.compile(r"^MMU\s*: *(.*)$", re.MULTILINE)

_IDENTIFY = """\
mark proc
grep -h -m 1 -e KernelPageSize -e MMU /proc/self/smaps /proc/cpuinfo
mark sysfs
echo pmd_size=0
show /sys/kernel/mm/transparent_hugepage/hpage_pmd_size pmd_size
read -r system version release rest </proc/version
echo release=$release
"""


def identify_guest(shell: Shell, deadline: Deadline) -> Observation:
    """Page and PMD size in bytes, MMU and kernel release, as the guest itself shows them.

    ``pmd_size`` is 0 without transparent huge pages, ``cpuinfo_mmu`` None where
    /proc/cpuinfo has no such line (all but powerpc).
    """
    output = run_script(shell, _IDENTIFY, deadline)
    sysfs = parse_attributes(output.section("sysfs"))
    mmu = _MMU.search(output.section("proc"))
    values: dict[str, Scalar] = {
        "page_size": parse_meminfo(output.section("proc")).get("KernelPageSize"),
        "pmd_size": read_integer(sysfs.get("pmd_size")),
        "cpuinfo_mmu": mmu[1] if mmu else None,
        "release": sysfs.get("release"),
    }
    return Observation("guest", values, (output.record,))
