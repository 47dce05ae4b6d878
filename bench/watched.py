"""A pytest run whose processes are looked at while it lasts."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil

_SAMPLE_SECONDS = 0.05


def run_watched(
    arguments: Sequence[str], guests: int, look: Callable[[list[psutil.Process]], None]
) -> float:
    """Seconds that pytest takes with so many guests at once.

    ``look`` is shown its processes again and again, itself among them. Raises
    CalledProcessError where a cell does not pass.
    """
    with tempfile.TemporaryDirectory(prefix="dx-bench-") as results:
        command = [sys.executable, "-m", "pytest", "-q", *arguments, "--guests", str(guests)]
        command += ["-p", "no:cacheprovider", "--results", results]
        started = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as run:
            while run.poll() is None:
                with suppress(psutil.NoSuchProcess):
                    parent = psutil.Process(run.pid)
                    look([parent, *parent.children(recursive=True)])
                time.sleep(_SAMPLE_SECONDS)
        if run.returncode:
            raise subprocess.CalledProcessError(run.returncode, command)
        return time.monotonic() - started


def is_guest(process: psutil.Process) -> bool:
    """Whether it is a QEMU. Raises psutil.NoSuchProcess for one that has ended."""
    return str(process.name()).startswith("qemu-system")
