"""ndctl's source, of Debian's source package.

The upstream archive alone: Debian's own changes to it are not about its tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from harness.apt.private import PrivateApt, Suite
from harness.errors import InfrastructureError
from harness.image.ndctl_contents import SourcePackage
from harness.kernel.unpacking import run_tar, words_of
from harness.progress import Progress
from harness.store import Store, digest


class SourceArchives(Protocol):
    """What is needed of ``harness.apt.private.PrivateApt``."""

    def download_source(self, package: str, into: Path) -> Path:
        """Fetch the upstream archive of a source package."""
        ...


def provide_ndctl_source(
    wanted: SourcePackage,
    store: Store,
    progress: Progress,
    apt: SourceArchives | None = None,
) -> Path:
    """The unpacked source, fetched once and kept. Raises InfrastructureError."""

    def build(work: Path) -> None:
        source = apt or PrivateApt(store, [Suite(wanted.suite)], sources=True)
        with progress.task(f"source {wanted.package} of {wanted.suite}", "archives"):
            archive = source.download_source(wanted.package, work)
        done = run_tar("-x", "-f", archive, "-C", work, "--strip-components=1", "--no-same-owner")
        if done.returncode != 0:
            raise InfrastructureError(f"{archive.name} cannot be unpacked: {words_of(done)}")
        archive.unlink()

    key = digest(wanted.package, wanted.suite)
    return store.provide("ndctl-source", f"{wanted.suite}-{key[:16]}", build)
