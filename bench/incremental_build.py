"""What a patch costs: building it on top of what is built, against the whole build.

    .venv/bin/python -m bench.incremental_build --arch ppc64-hash --kernel debian:6.1

Builds a base, and a series on it, each patch on the last. Each adds a function to a C file
that nothing includes. ccache is turned off, so that all numbers are make's own; the first patch's
holds the copy of the source. Exits 1 where any patch costs a fifth or more.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.patched import LEAVES, make_patch, own_store
from harness.kernel.build import provide_kernel
from harness.kernel.source import provide_source
from harness.kernel.spec import KernelSpec, parse_kernel_spec
from harness.progress import Progress
from harness.store import Store
from harness.target import Target, load_targets

BAR = 0.2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="ppc64-hash", choices=sorted(load_targets()))
    parser.add_argument("--kernel", default="debian:6.1")
    options = parser.parse_args()
    spec = parse_kernel_spec(options.kernel)
    shared = Store.default()
    base = provide_source(spec, shared, Progress()).path
    # No kernel of an earlier run may be found, but sources need not be fetched again.
    with own_store(shared, ("source", "apt")) as store:
        costs = measure(spec, load_targets()[options.arch], store, base)
        whole = next(costs)
        print(f"the base, the whole build: {whole:.0f} s", flush=True)
        ratios = []
        for number, seconds in enumerate(costs, start=1):
            ratios.append(seconds / whole)
            print(f"patch {number}: {seconds:.0f} s, {ratios[-1]:.3f}", flush=True)
    print(f"the costliest patch: {max(ratios):.3f}, bar: {BAR}")
    return 0 if max(ratios) < BAR else 1


def measure(spec: KernelSpec, target: Target, store: Store, base: Path) -> Iterator[float]:
    """Seconds for the base, and of each prefix of a series of patches to leaves."""
    series = [make_patch(base, leaf) for leaf in LEAVES]
    for length in range(len(series) + 1):
        patches = series[:length]
        start = time.monotonic()
        provide_kernel(spec, target, target.kernel.fragments, store, Progress(), patches=patches)
        yield time.monotonic() - start


if __name__ == "__main__":
    sys.exit(main())
