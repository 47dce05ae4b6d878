"""The guest's root file system, one for each Debian architecture, as a cpio.

It is not compressed: an emulated CPU takes 0.2 to 0.5 s to unpack what QEMU loads in
hundredths (measured under TCG on four architectures, zstd, 6 MB for 18).

Packages are fetched once and kept: a guest does not change because a mirror did. A newer
package comes in when ``guest.yaml`` changes, or when the store's ``guest-packages`` is
removed.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias

from harness.apt.private import PrivateApt, Suite
from harness.image import cpio
from harness.image.given_root import read_bytes, read_root
from harness.image.packages import (
    GuestContents,
    Tree,
    load_guest_contents,
    read_packages,
    select,
)
from harness.image.stand_in import build_stand_in, stand_in_key
from harness.progress import Progress, Silence
from harness.store import Store, digest
from harness.target import Target

IMAGE_NAME = "base.cpio"

# To be counted up when the code makes another image of the same packages and data.
_FORMAT = "2"

# 5:1 is the console, which the kernel opens for init before devtmpfs is mounted.
_CONSOLE = cpio.device("dev/console", 5, 1)
_DIRECTORIES = ("dev", "mnt", "proc", "run", "sys", "tmp", "usr/lib", "var")
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "var/run": "../run",
}
_TEXTS = {
    "etc/passwd": "root:*:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
}


# A library by its soname, with what some programs ask of it.
StandIn: TypeAlias = Callable[[str, Iterable[cpio.Entry]], bytes]


class PackageSource(Protocol):
    """What is needed of ``harness.apt.private.PrivateApt``."""

    def closure(self, packages: Sequence[str], architecture: str) -> tuple[str, ...]:
        """Packages and all they depend on, each as ``name:architecture=version``."""
        ...

    def download(self, packages: Sequence[str], into: Path) -> tuple[Path, ...]:
        """Fetch .deb files into a directory."""
        ...


def provide_base_image(
    target: Target,
    store: Store,
    progress: Progress | None = None,
    apt: PackageSource | None = None,
    root: Path | None = None,
) -> Path:
    """The cpio of the target's Debian architecture, made where it is new.

    Of Debian's packages, or of ``root``, a tar archive of a root file system. Raises UserError
    for a ``guest.yaml`` that asks for what no package has, and for a ``root`` that is none of the
    target's, and InfrastructureError where packages cannot be fetched or read.
    """
    contents = load_guest_contents().of(target)
    made_of: list[str | bytes]
    read: Callable[[], Tree]
    if root is None:
        packages = provide_packages(target.debian, contents, store, progress, apt)
        debs = sorted(packages.glob("*.deb"))
        made_of, read = [deb.name for deb in debs], partial(read_packages, debs)
        made_of.append(stand_in_key(target))
    else:
        made_of, read = [read_bytes(root)], partial(read_root, root, target.debian)
    listed = contents.model_dump_json(exclude={"libraries"})
    key = digest(_FORMAT, listed, cpio.write_archive(fixed_entries()), *made_of)

    def build(work: Path) -> None:
        stand_in = None if root else partial(build_stand_in, target)
        (work / IMAGE_NAME).write_bytes(base_archive(read(), contents, root, stand_in))

    return store.provide("guest-image", f"{target.debian}-{key[:16]}", build) / IMAGE_NAME


def provide_packages(
    architecture: str,
    contents: GuestContents,
    store: Store,
    progress: Progress | None = None,
    apt: PackageSource | None = None,
) -> Path:
    """A directory of the .deb files that an image is made of, fetched where they are new."""
    key = digest(contents.suite, *contents.packages, "skip", *contents.skip)

    def build(work: Path) -> None:
        source = apt or PrivateApt(store, [Suite(contents.suite)], [architecture])
        closure = source.closure(contents.packages, architecture)
        wanted = [package for package in closure if not contents.skips(package.split(":")[0])]
        with (progress or Silence()).task(f"packages of the {architecture} guest", "packages"):
            source.download(wanted, work)

    return store.provide("guest-packages", f"{architecture}-{key[:16]}", build)


def base_archive(
    tree: Tree, contents: GuestContents, root: Path | None = None, stand_in: StandIn | None = None
) -> bytes:
    """The image: what is wanted of a tree of files, of the archive ``root``, and our own.

    ``stand_in`` makes the libraries that ``contents`` has stand-ins for; else they are whole.
    """
    taken = select(tree, (*contents.programs, *contents.files), root=root)
    if stand_in is not None:
        taken = tuple(_stood_in_for(entry, taken, contents, stand_in) for entry in taken)
    commands = (cpio.symlink(f"usr/bin/{name}", "busybox") for name in contents.busybox)
    return cpio.write_archive(cpio.with_parents([*fixed_entries(), *commands, *taken]))


def _stood_in_for(
    entry: cpio.Entry, taken: Sequence[cpio.Entry], contents: GuestContents, stand_in: StandIn
) -> cpio.Entry:
    soname = PurePosixPath(entry.path).name
    if soname not in contents.stand_ins or not stat.S_ISREG(entry.mode):
        return entry
    return replace(entry, data=stand_in(soname, [e for e in taken if _is_elf(e) and e != entry]))


def _is_elf(entry: cpio.Entry) -> bool:
    return entry.data.startswith(b"\x7fELF")


def fixed_entries() -> tuple[cpio.Entry, ...]:
    """Files, links and mount points that are the same for every architecture."""
    return tuple(_fixed_entries())


def _fixed_entries() -> Iterator[cpio.Entry]:
    yield _CONSOLE
    # dropbear refuses authorized_keys below a directory that others may write to.
    yield cpio.directory("root", 0o700)
    yield from (cpio.directory(path) for path in _DIRECTORIES)
    yield from (cpio.symlink(path, target) for path, target in _LINKS.items())
    yield from (cpio.file(path, text.encode()) for path, text in _TEXTS.items())
