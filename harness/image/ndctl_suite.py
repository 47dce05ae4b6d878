"""ndctl's own tests in a guest: built of Debian's source package, with what their scripts call."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.apt.private import PrivateApt, Suite
from harness.image import cpio
from harness.image.ndctl_build import NdctlBuild
from harness.image.ndctl_contents import NDCTL_YAML, SUITE, NdctlContents, load_ndctl_contents
from harness.image.ndctl_source import provide_ndctl_source
from harness.image.packages import load_guest_contents, read_packages, select
from harness.image.sysroot import provide_sysroot
from harness.kernel.make import find_toolchain
from harness.progress import Progress
from harness.store import Store, digest
from harness.target import Target

ARCHIVE = "ndctl-suite.cpio"
JOURNAL = Path(__file__).with_name("journalctl")

# To be counted up when the code makes another archive of the same source and packages.
_FORMAT = "1"


def provide_ndctl_suite(target: Target, store: Store, progress: Progress) -> Path:
    """An uncompressed cpio of ndctl's tests, built where source, packages or compiler are new.

    Raises InfrastructureError where it cannot be built here, or its parts not be fetched.
    """
    contents, suite = load_ndctl_contents(), load_guest_contents().of(target).suite
    source = provide_ndctl_source(contents.source, store, progress)
    sysroot = provide_sysroot(target.debian, suite, contents.headers, store, progress)
    packages = _provide_packages(target.debian, suite, contents, store, progress)
    made_of = (source.name, sysroot.name, packages.name, find_toolchain(target).version)
    key = digest(_FORMAT, contents.model_dump_json(), JOURNAL, *made_of)

    def build(work: Path) -> None:
        with (
            progress.task("ndctl's own tests", "files"),
            tempfile.TemporaryDirectory(dir=work) as scratch,
        ):
            built = NdctlBuild(target, source, sysroot, contents.options, Path(scratch)).run()
            entries = (*_with_packages(built, packages, contents), *_stand_ins(contents))
        (work / ARCHIVE).write_bytes(cpio.write_archive(cpio.with_parents(entries)))

    entry = store.provide("guest-ndctl-suite", f"{target.debian}-{key[:16]}", build)
    return entry / ARCHIVE


def _provide_packages(
    architecture: str, suite: str, contents: NdctlContents, store: Store, progress: Progress
) -> Path:
    """A directory of the .deb files that are named, fetched once and kept."""
    names = [f"{name}:{architecture}" for name in contents.packages]

    def build(work: Path) -> None:
        with progress.task(f"packages of ndctl's tests for {architecture}", "packages"):
            PrivateApt(store, [Suite(suite)], [architecture]).download(names, work)

    key = digest(suite, *names)
    return store.provide("guest-packages", f"{architecture}-{key[:16]}", build)


def _with_packages(
    built: Iterable[cpio.Entry], packages: Path, contents: NdctlContents
) -> tuple[cpio.Entry, ...]:
    """What was built, Debian's programs, and the libraries that either loads."""
    tree = read_packages(sorted(packages.glob("*.deb")))
    own = {entry.path: entry for entry in built}
    return select({**tree, **own}, (*own, *contents.programs), NDCTL_YAML)


def _stand_ins(contents: NdctlContents) -> Iterator[cpio.Entry]:
    """Commands that are others by another name."""
    yield from (cpio.symlink(path, target) for path, target in contents.links.items())
    yield from (cpio.symlink(f"usr/bin/{name}", "busybox") for name in contents.busybox)
    yield cpio.file(f"{SUITE}/bin/journalctl", JOURNAL.read_bytes(), 0o755)
