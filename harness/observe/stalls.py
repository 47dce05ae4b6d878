"""Reports that are about time alone: something did not run, or get a turn, for too long."""

from __future__ import annotations

from collections.abc import Iterable

from harness.observe.classes.stalls import STALLS
from harness.records import KernelReport

_KINDS = frozenset(stall.kind for stall in STALLS)
# A guest's clock goes on while its host stands still. The kernel's shortest patience is 10 s
# (watchdog_thresh of kernel/watchdog.c); less cannot be why it complains.
_SHORTEST_SECONDS = 10.0


def may_be_the_hosts(reports: Iterable[KernelReport], stood_still: float) -> bool:
    """Whether a host that stood still for so many seconds is enough to explain all of them."""
    found = list(reports)
    enough = stood_still >= _SHORTEST_SECONDS
    return enough and bool(found) and all(report.kind in _KINDS for report in found)
