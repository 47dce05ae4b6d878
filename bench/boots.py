"""From power-on to the first step, on every target, beside the kernel's own time.

    .venv/bin/python -m bench.boots --arch all

The kernel's time ends with its line "Run /init as init process": the line's stamp, or from the
kernel's first line to that one where that is longer, since ppc64's clock starts late. The rest is
firmware, init and the first answer of a shell.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, conclude
from harness.campaign.provide import Provider
from harness.guest.boot import State, boot
from harness.progress import Progress
from harness.records import Layout
from harness.store import Store
from harness.target import Target, load_targets, select_targets
from tests.support.guests import boot_request

_BOOT_SECONDS = 2.0
_REST_SECONDS = 0.7
_RAM_BYTES = 2 << 30
_RUN_INIT = re.compile(rb"^\[ *(\d+\.\d+)\] Run /init as init process", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.boots", description=__doc__)
    parser.add_argument("--arch", action="append", help="a target, several with commas, or all")
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    provider = Provider(Store.default(), options.kernel, Progress())
    targets = select_targets(options.arch or ["all"], load_targets())
    return conclude(f for t in targets for f in figures(provider, t, options.repeats))


def figures(provider: Provider, target: Target, repeats: int) -> Iterator[Figure]:
    measured = [one_boot(provider, target) for _ in range(repeats)]
    whole = tuple(whole for whole, _ in measured)
    rest = tuple(whole - kernel for whole, kernel in measured)
    yield Figure(f"{target.name}: power-on to the first step", whole, "s", bar=_BOOT_SECONDS)
    yield Figure(f"{target.name}: of that not the kernel's", rest, "s", bar=_REST_SECONDS)


def one_boot(provider: Provider, target: Target) -> tuple[float, float]:
    """Seconds to a shell, and of these the kernel's."""
    with tempfile.TemporaryDirectory(prefix="dx-bench-") as name:
        request = boot_request(provider, target, Layout(_RAM_BYTES, 2), Path(name))
        with boot(request) as guest:
            seconds, reached = guest.boot_seconds, guest.reached_seconds
        said = _RUN_INIT.search(request.console_log.read_bytes())
        if said is None:
            raise RuntimeError(f"the kernel of {target.name} does not say when it ran init")
        seen = reached[State.INIT] - reached[State.KERNEL]
        return seconds, max(float(said[1]), seen)


if __name__ == "__main__":
    sys.exit(main())
