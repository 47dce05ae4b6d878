"""Patched kernels in the store: whole while they are in use, in little for later.

Beside a patched kernel stands its delta to its base, under the same key. What nobody has used for
an hour does not stay whole when the next patched kernel is asked for: from the delta it comes out
again, byte for byte. Bases are left alone.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from harness.errors import InfrastructureError
from harness.kernel.plain_file import empty_folder
from harness.store import Store

KERNEL = "kernel"
_DELTA = "kernel-delta"
# What is made of a kernel, under its key and a dash.
_MADE_OF_IT = ("fixed-kernel", "guest-overlay")
# Views of patched sources are made anew in no time, and grow with the patches of a series.
_VIEWS = "patched-source"
_WHOLE_SECONDS = 3600.0
# One at a time: each takes memory for ten times a vmlinux. The process ends when they have.
# Linux gives a thread a nice value of its own; the guests that boot meanwhile are waited for.
_tidying = ThreadPoolExecutor(1, "deltas", initializer=os.nice, initargs=(10,))


def tidy_soon(store: Store, key: str, base_key: str, image: str) -> None:
    """:func:`keep_delta` and :func:`drop_whole`, while the caller goes on to boot the kernel.

    :func:`wait_until_tidy` tells when both have ended.
    """
    _tidying.submit(_tidy, store, key, base_key, image)


def wait_until_tidy() -> None:
    """Until the store is as it stays, as far as this process sees to that."""
    _tidying.submit(lambda: None).result()


def _tidy(store: Store, key: str, base_key: str, image: str) -> None:
    keep_delta(store, key, base_key, image)
    drop_whole(store)


def keep_delta(store: Store, key: str, base_key: str, image: str) -> None:
    """Keep the delta of a patched kernel that is there, where its base is there as well."""
    if store.find(_DELTA, key) is not None:
        return
    base = store.find(KERNEL, base_key)
    if base is None:
        return
    entry = store.root / KERNEL / key
    # A library of 38 MB, for kernels that are new alone.
    from harness.kernel.folded import fold_files

    def build(into: Path) -> None:
        # Named by its base, which has to be there before it can be unfolded.
        (into / base_key).write_bytes(fold_files(entry, base, image))

    # A store that takes no more has the kernel whole.
    with suppress(InfrastructureError):
        store.provide(_DELTA, key, build)


def unfold_kernel(store: Store, key: str, into: Path) -> bool:
    """Make a kernel of its delta, in an empty folder; whether that was possible."""
    delta = store.find(_DELTA, key)
    file = next(delta.iterdir(), None) if delta else None
    base = store.find(KERNEL, file.name) if file else None
    if file is None or base is None:
        return False
    from harness.kernel.folded import unfold_files

    try:
        unfold_files(file.read_bytes(), base, into)
    except (OSError, ValueError) as exc:
        store.tell(f"{file} is of no use: {exc}; the kernel is built again")
        empty_folder(into)
        store.discard(file.parent, f"{_DELTA}-{key}")
        return False
    return True


def drop_whole(store: Store, unused_seconds: float = _WHOLE_SECONDS) -> None:
    """Remove whole kernels that their deltas will do for, and what goes with them.

    Nothing that a living process uses, or one used within so many seconds. A store that may only
    be read stays as it is.
    """
    before = time.time() - unused_seconds
    told = {path.parent.name for path in store.root.glob(f"{_DELTA}/*/*")}
    with suppress(OSError, InfrastructureError):
        for key in told:
            _remove_unused(store, store.root / KERNEL / key, before)
        # Also what somebody left who was killed between the two.
        for entry in [path for kind in _MADE_OF_IT for path in store.root.glob(f"{kind}/*")]:
            key, _, _ = entry.name.partition("-")
            if key in told and not (store.root / KERNEL / key).is_dir():
                store.remove(entry.parent.name, entry.name)
        for entry in store.root.glob(f"{_VIEWS}/*"):
            _remove_unused(store, entry, before)


def _remove_unused(store: Store, entry: Path, before: float) -> None:
    if entry.is_dir() and store.last_used(entry) <= before:
        store.remove(entry.parent.name, entry.name)
