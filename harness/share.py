"""Cores and memory that the host leaves this process: its kernel's word, and a container's limits.

Limits are read of control groups of version 2, of this process' group and all above it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from harness.observe.vmstat import parse_meminfo, parse_vmstat

_ROOT = Path("/")


def usable_cores(root: Path = _ROOT) -> int:
    """Cores that this process may run on at a time, at least 1; part of one counts as one."""
    cores = len(os.sched_getaffinity(0))
    for group in _groups(root):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores)


def available_memory(root: Path = _ROOT) -> int:
    """Bytes that can be had without swapping, as the host's kernel estimates."""
    free = parse_meminfo(_read(root / "proc/meminfo")).get("MemAvailable", 0)
    for group in _groups(root):
        limit = _read(group / "memory.max")
        if limit.isdigit():
            taken = int(_read(group / "memory.current") or 0)
            pages = parse_vmstat(_read(group / "memory.stat"))
            # Those of tmpfs are files' pages as well, and cannot be dropped.
            droppable = pages.get("file", 0) - pages.get("shmem", 0)
            free = min(free, int(limit) - taken + droppable)
    return max(0, free)


def whole_memory(root: Path = _ROOT) -> int:
    """Bytes that a process can have on an idle host, swap included; 0 where nothing is known.

    More than that no later try will get: Linux refuses to map it, or a group's limit ends who
    uses it.
    """
    host = parse_meminfo(_read(root / "proc/meminfo"))
    swap = host.get("SwapTotal", 0)
    whole = host.get("MemTotal", 0) + swap
    for group in _groups(root):
        limit, swap_limit = (_read(group / f"memory.{name}max") for name in ("", "swap."))
        if limit.isdigit():
            whole = min(whole, int(limit) + (int(swap_limit) if swap_limit.isdigit() else swap))
    return whole


def _groups(root: Path) -> Iterator[Path]:
    """Folders of this process' control group, and of each that it is in."""
    top = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        hierarchy, _, path = line.partition("::")
        if hierarchy == "0":
            group = top / path.strip("/")
            yield from (group, *(above for above in group.parents if above.is_relative_to(top)))


def _read(path: Path) -> str:
    """The text, or "" where there is none to be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
