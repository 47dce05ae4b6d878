"""/proc/zoneinfo: the pages that each memory node has free, to the page.

MemFree leaves out what the allocator keeps in lists of its own for every CPU: up to
megabytes, with 64K pages, that come and go with anybody's work. zoneinfo shows both
(mm/vmstat.c, zoneinfo_show_print).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_ZONE = re.compile(r"Node (\d+), zone +\S+")
_FREE = re.compile(r" +pages free +(\d+)")
_CACHED = re.compile(r" +count: +(\d+)")


def parse_free_pages(text: str) -> dict[int, int]:
    """Free base pages by node, those that CPUs keep for themselves included."""
    free: Counter[int] = Counter()
    node = None
    for line in text.splitlines():
        zone = _ZONE.match(line)
        if zone:
            node = int(zone[1])
            free[node] += 0
        pages = _FREE.fullmatch(line) or _CACHED.fullmatch(line)
        if pages and node is not None:
            free[node] += int(pages[1])
    return dict(free)


def pages_taken(before: str, after: str, nodes: Iterable[int] | None = None) -> dict[int, int]:
    """Free pages that each node lost between two readings; negative where it gained."""
    first, last = parse_free_pages(before), parse_free_pages(after)
    wanted = sorted(first.keys() | last.keys()) if nodes is None else nodes
    return {node: first.get(node, 0) - last.get(node, 0) for node in wanted}
