"""The guest's headers and shared libraries, unpacked for a compiler of the host.

What is linked with them runs with the guest's own C library, whichever the host's is.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.apt.private import PrivateApt, Suite
from harness.image import cpio
from harness.image.packages import read_packages
from harness.image.root import PackageSource
from harness.progress import Progress
from harness.store import Store, digest

_KEPT = re.compile(r"usr/(include|lib|lib64|share/pkgconfig)/.+")
_MERGED = ("lib", "lib64")


def provide_sysroot(
    architecture: str,
    suite: str,
    packages: Sequence[str],
    store: Store,
    progress: Progress,
    apt: PackageSource | None = None,
) -> Path:
    """A folder with what the packages and all that they depend on have for a compiler.

    Fetched once and kept. Raises InfrastructureError where packages cannot be fetched or read.
    """
    key = digest(suite, *packages)

    def build(work: Path) -> None:
        source = apt or PrivateApt(store, [Suite(suite)], [architecture])
        with (
            progress.task(f"headers and libraries of the {architecture} guest", "packages"),
            tempfile.TemporaryDirectory(dir=work) as scratch,
        ):
            wanted = source.closure(packages, architecture)
            tree = read_packages(source.download(wanted, Path(scratch)))
        for entry in tree.values():
            if _KEPT.fullmatch(entry.path):
                _write(work, entry)
        for name in _MERGED:
            (work / "usr" / name).mkdir(parents=True, exist_ok=True)
            (work / name).symlink_to(f"usr/{name}")

    return store.provide("guest-sysroot", f"{architecture}-{key[:16]}", build)


def _write(root: Path, entry: cpio.Entry) -> None:
    path = root / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISREG(entry.mode):
        path.write_bytes(entry.data)
    else:
        path.symlink_to(_within(root, path, entry.data.decode()))


def _within(root: Path, link: Path, target: str) -> str:
    """A link's target: an absolute one leads below ``root``, not into the host."""
    if not target.startswith("/"):
        return target
    return os.path.relpath(root / target.lstrip("/"), link.parent)
