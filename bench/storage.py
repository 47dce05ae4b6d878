"""What a hundred kernels of one series take in the store, against one.

    .venv/bin/python -m bench.storage --arch ppc64-hash --kernel debian:6.1

A base, and kernels of it that one patch each makes, which adds a function to a C file that nothing
includes (``--stacked``: and all patches before it), with all that a guest of each brings into
the store. The hundred are the base, and 99 times what a patched kernel leaves there once nobody
has used it for an hour. Left out is what is there once a base: what is made of it for
guests (told), its objects, and the tree that patched kernels are built in. Sizes are of disk
blocks.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench.figure import Figure, conclude
from bench.patched import LEAVES, make_patch, own_store
from harness.campaign.provide import Needs, Provider
from harness.kernel.deltas import drop_whole
from harness.machine.bootable import provide_bootable
from harness.machine.versions import find_emulator
from harness.progress import Progress
from harness.prune import disk_bytes
from harness.series.patch import Patch
from harness.store import Store
from harness.target import Target, load_targets

_BAR = 3
_OTHERS = 99
_SHARED = ("apt", "source")
_ONCE = ("objects", "work")
# A kernel, and what is made of it as long as it is whole.
_WHOLE = ("fixed-kernel", "guest-overlay", "kernel")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__)
    parser.add_argument("--arch", default="ppc64-hash", choices=sorted(load_targets()))
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--patches", type=int, default=len(LEAVES), help="at the most ten")
    parser.add_argument("--stacked", action="store_true", help="each kernel has all before it, too")
    options = parser.parse_args()
    leaves = LEAVES[: options.patches]
    target = load_targets()[options.arch]
    return conclude(measure(target, options.kernel, leaves, stacked=options.stacked))


def measure(
    target: Target, kernel: str, leaves: Sequence[str], *, stacked: bool
) -> Iterator[Figure]:
    """The figure, after what each kind of entry has to do with it."""
    shared = Store.default()
    base = Provider(shared, kernel, Progress()).provide(Needs(target)).kernel
    with own_store(shared, _SHARED) as store:
        # It takes minutes to build, and is the same.
        for kind in ("kernel", "objects"):
            if (entry := shared.find(kind, base.key)) is not None:
                shutil.copytree(entry, store.root / kind / base.key)
        patches = tuple(make_patch(base.source, leaf) for leaf in leaves)
        use(store, kernel, target, [()])
        before = sizes(store)
        series = [patches[: n + 1] if stacked else patches[n : n + 1] for n in range(len(patches))]
        use(store, kernel, target, series)
        # As the next run does once they were not used for an hour.
        drop_whole(store, 0)
        after = sizes(store)
    grown = {kind: size - before.get(kind, 0) for kind, size in after.items()}
    for kind, size in sorted(grown.items()):
        if size:
            print(f"  {kind}: {size / len(leaves) / 1e6:.4f} MB a patched kernel")
    made = sum(before.get(kind, 0) for kind in _WHOLE) - before["kernel"]
    print(f"  made of the base: {made / 1e6:.1f} MB")
    one, each = before["kernel"], sum(grown.values()) / len(leaves)
    ratio = (one + _OTHERS * each) / one
    against = f"one, {one / 1e6:.1f} MB"
    yield Figure("a hundred kernels of one series", (ratio,), "times", against, _BAR)


def use(store: Store, kernel: str, target: Target, series: Sequence[tuple[Patch, ...]]) -> None:
    """What :func:`_use` does, by a process that ends then, and with it its use of the store."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        executor.submit(_use, store.root, kernel, target, series).result()


def _use(root: Path, kernel: str, target: Target, series: Sequence[tuple[Patch, ...]]) -> None:
    """All that a run brings into the store that boots a guest of each kernel."""
    store = Store(root)
    emulator = find_emulator(target.qemu.binary)
    provider = Provider(store, kernel, Progress())
    for patches in series:
        image = provider.provide(Needs(target, patches=patches)).kernel.image
        provide_bootable(image, target, emulator, "tcg", store)


def sizes(store: Store) -> dict[str, int]:
    """Bytes on disk by folder of the store, without what kernels share."""
    return {
        folder.name: disk_bytes(folder)
        for folder in store.root.iterdir()
        if not folder.is_symlink() and folder.name not in _ONCE
    }


if __name__ == "__main__":
    sys.exit(main())
