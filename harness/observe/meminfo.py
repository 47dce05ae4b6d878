"""/proc/meminfo, as far as steps look at it."""

from __future__ import annotations

import re

# "DirectMap2M:     4194304 kB": x86, s390, powerpc's radix, and in 7.2 its hash.
_DIRECT_MAP = re.compile(r"^DirectMap\S+:\s+(\d+) kB$", re.MULTILINE)
_KIB = 1 << 10


def direct_map_bytes(text: str) -> int | None:
    """What the kernel has mapped of memory for itself, by pages of all sizes.

    None where it does not say so. Source: arch_report_meminfo of each architecture.
    """
    sizes = [int(kib) * _KIB for kib in _DIRECT_MAP.findall(text)]
    return sum(sizes) if sizes else None
