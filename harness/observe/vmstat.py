"""/proc/vmstat and /proc/meminfo, and what changed in them.

vmstat's counters are kept per CPU and added up now and then: a reading is only right after
a write to /proc/sys/vm/stat_refresh (mm/vmstat.c, vmstat_refresh).
"""

from __future__ import annotations

from collections.abc import Mapping


def parse_vmstat(text: str) -> dict[str, int]:
    """Counters by name; lines of any other form are passed over."""
    fields = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in fields if len(pair) == 2 and _is_number(pair[1])}


def parse_meminfo(text: str) -> dict[str, int]:
    """Sizes in bytes, and counts, by name without the colon; also the lines of smaps."""
    found = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and words and _is_number(words[0]):
            scale = 1024 if words[1:] == ["kB"] else 1
            found[name.strip()] = int(words[0]) * scale
    return found


def counter_change(before: Mapping[str, int], after: Mapping[str, int], name: str) -> int | None:
    """How far a counter went up; None where the kernel does not have it."""
    if name not in before or name not in after:
        return None
    return after[name] - before[name]


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
