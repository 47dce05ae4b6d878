#!/usr/bin/env python3
"""What one more patch costs: building it on top of a built one, against the whole build.

    .venv/bin/python bench/incremental_build.py --arch ppc64-hash --kernel debian:6.1

Each patch adds a function to a C file that nothing includes. ccache is turned off, so that
both numbers are make's own. They are seconds of processors, which a busy host changes little;
those of the clock are told beside them. Exits 1 where one patch costs a fifth or more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
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
LEAVES = ("drivers/dax/device.c", "mm/gup_test.c")


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
        whole, more = measure(spec, load_targets()[options.arch], Store(Path(name)), base)
    for what, cost in (("the whole", whole), ("one more patch", more)):
        print(f"{what}: {cost.processor:.0f} s of processors, {cost.clock:.0f} s by the clock")
    ratio = more.processor / whole.processor
    print(f"ratio: {ratio:.3f} (by the clock {more.clock / whole.clock:.3f}), bar: {BAR}")
    return 0 if ratio < BAR else 1


@dataclass(frozen=True)
class Cost:
    """What a build took; ``processor`` seconds are of this process and all it started."""

    processor: float
    clock: float

    @classmethod
    def so_far(cls) -> Cost:
        used = os.times()
        return cls(sum(used[:4]), used.elapsed)

    def since(self, start: Cost) -> Cost:
        return Cost(self.processor - start.processor, self.clock - start.clock)


def measure(spec: KernelSpec, target: Target, store: Store, base: Path) -> list[Cost]:
    """The cost of each prefix of a series of patches to leaves."""
    costs = []
    patches: list[Patch] = []
    for leaf in LEAVES:
        patches.append(make_patch(base, leaf))
        start = Cost.so_far()
        provide_kernel(spec, target, target.kernel.fragments, store, Progress(), patches=patches)
        costs.append(Cost.so_far().since(start))
    return costs


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
