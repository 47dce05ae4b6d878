"""Debian's static libraries, for programs of the guest that are linked with them.

Unpacked for the guest's architecture, never installed; ``guest.yaml`` names the packages. A
program that brings its libraries along needs nothing of them in the guest, and runs there
whichever C library the host's compiler links it with.
"""

from __future__ import annotations

import re
import stat
import tempfile
from pathlib import Path

from harness.apt.private import PrivateApt, Suite
from harness.image.packages import load_guest_contents, read_packages
from harness.image.root import PackageSource
from harness.progress import Progress
from harness.store import Store, digest
from harness.target import Target

_KEPT = re.compile(r"usr/include/.+|usr/lib/[^/]+/[^/]+\.a")


def provide_libraries(
    target: Target, store: Store, progress: Progress, apt: PackageSource | None = None
) -> Path:
    """A folder with their usr/include and usr/lib, fetched once and kept.

    Raises InfrastructureError where packages cannot be fetched or read.
    """
    contents, architecture = load_guest_contents().of(target), target.debian
    names = [f"{name}:{architecture}" for name in contents.libraries]
    key = digest(contents.suite, *names)

    def build(work: Path) -> None:
        source = apt or PrivateApt(store, [Suite(contents.suite)], [architecture])
        with (
            progress.task(f"libraries for programs of the {architecture} guest", "packages"),
            tempfile.TemporaryDirectory(dir=work) as scratch,
        ):
            tree = read_packages(source.download(names, Path(scratch)))
        for path, entry in tree.items():
            if stat.S_ISREG(entry.mode) and _KEPT.fullmatch(path):
                (work / path).parent.mkdir(parents=True, exist_ok=True)
                (work / path).write_bytes(entry.data)

    return store.provide("guest-libraries", f"{architecture}-{key[:16]}", build)
