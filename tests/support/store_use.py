"""A store that others used before."""

from __future__ import annotations

import os
import time

from harness.store import Store
from harness.store_use import Uses


def used_by_another(store: Store, seconds_ago: float = 0.0) -> None:
    """What this process used, one has that ended so long ago."""
    for process, root in [*Uses._own]:
        if root == store.root:
            Uses._own.pop((process, root)).close()
    then = time.time() - seconds_ago
    for mark in store.root.glob(".used/*/*"):
        os.utime(mark, (then, then))
