#!/usr/bin/env python3
"""What a patch costs: building it on top of what is built, against the whole build.

    .venv/bin/python bench/incremental_build.py --arch ppc64-hash --kernel debian:6.1

Builds a base, and a series on it, each patch on the last. Each adds a function to a C file
that nothing includes. ccache is turned off, so that all numbers are make's own. They are
seconds of processors, which a busy host changes little; those of the clock are told beside
them. Exits 1 where any patch costs a fifth or more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.kernel.build import provide_kernel
from harness.kernel.source import provide_source
from harness.kernel.spec import KernelSpec, parse_kernel_spec
from harness.progress import Progress
from harness.series import Patch, load_series
from harness.store import Store
from harness.target import Target, load_targets

BAR = 0.2
LEAVES = (
    *("drivers/dax/device.c", "mm/gup_test.c", "drivers/nvdimm/btt.c", "mm/mincore.c"),
    *(
        "drivers/dax/super.c",
        "drivers/nvdimm/label.c",
        "mm/hwpoison-inject.c",
        "drivers/dax/kmem.c",
    ),
    *("drivers/nvdimm/pfn_devs.c", "drivers/dax/bus.c"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="ppc64-hash", choices=sorted(load_targets()))
    parser.add_argument("--kernel", default="debian:6.1")
    options = parser.parse_args()
    os.environ["CCACHE_DISABLE"] = "1"
    spec = parse_kernel_spec(options.kernel)
    shared = Store.default()
    base = provide_source(spec, shared, Progress()).path
    with tempfile.TemporaryDirectory(prefix="daxhound-bench-", dir=shared.root.parent) as name:
        # No kernel of an earlier run may be found, but sources need not be fetched again.
        for kind in ("source", "apt"):
            (Path(name) / kind).symlink_to(shared.root / kind)
        costs = measure(spec, load_targets()[options.arch], Store(Path(name)), base)
        whole = next(costs)
        print(f"the base, the whole build: {whole}", flush=True)
        ratios = []
        for number, cost in enumerate(costs, start=1):
            ratios.append(cost.processor / whole.processor)
            by_clock = cost.clock / whole.clock
            print(
                f"patch {number}: {cost}; {ratios[-1]:.3f} (by the clock {by_clock:.3f})",
                flush=True,
            )
    print(f"the costliest patch: {max(ratios):.3f}, bar: {BAR}")
    return 0 if max(ratios) < BAR else 1


@dataclass(frozen=True)
class Cost:
    """What a build took; ``processor`` seconds are of this process and all it started."""

    processor: float
    clock: float

    def __str__(self) -> str:
        return f"{self.processor:.0f} s of processors, {self.clock:.0f} s by the clock"

    @classmethod
    def so_far(cls) -> Cost:
        used = os.times()
        return cls(sum(used[:4]), used.elapsed)

    def since(self, start: Cost) -> Cost:
        return Cost(self.processor - start.processor, self.clock - start.clock)


def measure(spec: KernelSpec, target: Target, store: Store, base: Path) -> Iterator[Cost]:
    """The cost of the base, and of each prefix of a series of patches to leaves."""
    patches: list[Patch] = []
    for leaf in (None, *LEAVES):
        patches += [make_patch(base, leaf)] if leaf else []
        start = Cost.so_far()
        provide_kernel(spec, target, target.kernel.fragments, store, Progress(), patches=patches)
        yield Cost.so_far().since(start)


def make_patch(base: Path, path: str) -> Patch:
    """A patch that adds a function at the end of a file."""
    lines = (base / path).read_text().splitlines()
    name = "daxhound_" + Path(path).stem
    last = len(lines)
    text = f"--- a/{path}\n+++ b/{path}\n@@ -{last - 2},3 +{last - 2},5 @@\n"
    text += "".join(f" {line}\n" for line in lines[-3:])
    text += f"+int {name}(int number);\n+int {name}(int number) {{ return number * 7; }}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".patch") as file:
        file.write(text)
        file.flush()
        return load_series(file.name).patches[0]


if __name__ == "__main__":
    sys.exit(main())
