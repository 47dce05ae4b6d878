"""A store that others use, or used before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.store import Store
from harness.store_use import Uses
from tests.support.checkout import ROOT

_USER = """
import sys
from pathlib import Path
from harness.store import Store

print(Store(Path(sys.argv[1])).provide("kernel", sys.argv[2], lambda into: None), flush=True)
sys.stdin.read()
"""


@contextmanager
def kernel_in_use(store: Store, key: str) -> Iterator[None]:
    """While another process uses that kernel, made where it is not there; it is killed then."""
    command = [sys.executable, "-c", _USER, str(store.root), key]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as user:
        assert user.stdout is not None
        assert user.stdout.readline()
        yield
        user.send_signal(signal.SIGKILL)


def used_by_another(store: Store, seconds_ago: float = 0.0) -> None:
    """What this process used, one has that ended so long ago."""
    for process, root in [*Uses._own]:
        if root == store.root:
            Uses._own.pop((process, root)).close()
    then = time.time() - seconds_ago
    for mark in store.root.glob(".used/*/*"):
        os.utime(mark, (then, then))
