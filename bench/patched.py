"""Kernels of one-file patches, in a store of their own: what figures of series are taken of."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.kernel.deltas import wait_until_tidy
from harness.series.load import load_series
from harness.series.patch import Patch
from harness.store import Store

LEAVES = (
    "drivers/dax/device.c",
    "mm/gup_test.c",
    "drivers/nvdimm/btt.c",
    "mm/mincore.c",
    "drivers/dax/super.c",
    "drivers/nvdimm/label.c",
    "mm/hwpoison-inject.c",
    "drivers/dax/kmem.c",
    "drivers/nvdimm/pfn_devs.c",
    "drivers/dax/bus.c",
)


@contextmanager
def own_store(shared: Store, kinds: Iterable[str]) -> Iterator[Store]:
    """A store that has these kinds in common with another; what is built in it goes with it.

    ccache is turned off, so that what is measured is make's own.
    """
    os.environ["CCACHE_DISABLE"] = "1"
    with tempfile.TemporaryDirectory(prefix="daxhound-bench-", dir=shared.root.parent) as name:
        for kind in kinds:
            (Path(name) / kind).symlink_to(shared.root / kind)
        yield Store(Path(name))
        wait_until_tidy()


def make_patch(base: Path, path: str) -> Patch:
    """A patch that adds a function at the end of a file."""
    lines = (base / path).read_text().splitlines()
    name = "daxhound_" + Path(path).stem.replace("-", "_")
    last = len(lines)
    text = f"--- a/{path}\n+++ b/{path}\n@@ -{last - 2},3 +{last - 2},5 @@\n"
    text += "".join(f" {line}\n" for line in lines[-3:])
    text += f"+int {name}(int number);\n+int {name}(int number) {{ return number * 7; }}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".patch") as file:
        file.write(text)
        file.flush()
        return load_series(file.name).patches[0]
