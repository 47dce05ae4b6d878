"""Kernel source trees: fetched, unpacked or used where they are, never written to.

What comes from an archive is unpacked once into the store. A patch series, when there is
one, goes on a copy of what ``provide_source`` returns, with its own identity.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from harness.apt.private import Candidate, PrivateApt, Suite
from harness.errors import UserError
from harness.git import find_commit, git
from harness.kernel import tree
from harness.kernel.contents import Contents, identify, read_contents
from harness.kernel.revisions import moved_on, no_such_revision, stored_revisions
from harness.kernel.spec import DebianSpec, DirectorySpec, GitSpec, KernelSpec, TarSpec
from harness.kernel.unpacking import check_done, refuse_escapes, run_tar, words_of
from harness.kernel.version import read_version
from harness.progress import Progress
from harness.shipped import typed
from harness.store import Store
from harness.yaml_document import Record, load_document

DEBIAN_SUITES = Path(__file__).with_name("debian.yaml")


@dataclass(frozen=True, slots=True)
class Source:
    """A source tree to build from.

    ``identity`` is equal for equal content, whatever ``path`` is. ``fingerprint`` is what
    the tree looked like where it is somebody's own and may change at any time, and ``contents``
    what its files held. ``revision`` is what a name that moves on stood for: Debian's version of
    the package, or a commit.
    """

    path: Path
    version: tuple[int, int, int]
    identity: str
    fingerprint: str | None = None
    contents: Contents | None = field(default=None, repr=False, compare=False)
    revision: str = ""

    def check_unchanged(self) -> None:
        """Raise UserError where the tree was edited since: what was built of it has no name."""
        if self.fingerprint is None:
            return
        if tree.fingerprint(self.path) != self.fingerprint:
            raise _changed(self.path)


class SourcePackages(Protocol):
    """What is needed of ``harness.apt.private.PrivateApt``."""

    def candidates(self, package: str) -> tuple[Candidate, ...]:
        """Versions of a package, newest first."""
        ...

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names of packages."""
        ...

    def download(self, packages: list[str], into: Path) -> tuple[Path, ...]:
        """Fetch .deb files."""
        ...


class DebianSuites(Record):
    """``debian.yaml``: suites that carry a linux-source package, by its version."""

    sources: dict[str, tuple[str, ...]]
    others: tuple[str, ...]

    def carrying(self, version: str) -> tuple[Suite, ...]:
        """Where to look for one version."""
        return tuple(Suite(name) for name in self.sources.get(version, self.others))


def provide_source(
    spec: KernelSpec, store: Store, progress: Progress, apt: SourcePackages | None = None
) -> Source:
    """The source tree that a spec names.

    Raises UserError where it is not there, is no kernel, or is no longer what the spec is pinned
    to, InfrastructureError where it cannot be fetched.
    """
    match spec:
        case DebianSpec():
            return _debian(spec, store, progress, apt or _apt_for(spec, store))
        case TarSpec():
            return _tarball(spec, store, progress)
        case GitSpec():
            return _commit(spec, store, progress)
        case DirectorySpec():
            return _directory(spec, store, progress)


def check_source(spec: KernelSpec, store: Store, apt: SourcePackages | None = None) -> KernelSpec:
    """See that what a spec names is there; nothing is unpacked, and no source is fetched.

    Returns the spec, pinned where its name can be told without reading the source. Raises
    UserError where it is not there, InfrastructureError where nobody can say.
    """
    match spec:
        case DebianSpec():
            revision = _choose_revision(spec, store, apt or _apt_for(spec, store))
            return replace(spec, pinned=revision)
        case GitSpec():
            return replace(spec, pinned=_find_commit(spec)[1])
        case TarSpec():
            _open_tarball(spec).close()
        case DirectorySpec():
            read_version(typed(spec.path).resolve(), spec)
    return spec


def load_suites() -> DebianSuites:
    """The data file beside this module."""
    return load_document(DEBIAN_SUITES, DebianSuites)


def _apt_for(spec: DebianSpec, store: Store) -> PrivateApt:
    return PrivateApt(store, load_suites().carrying(spec.version))


def _debian(spec: DebianSpec, store: Store, progress: Progress, apt: SourcePackages) -> Source:
    revision = _choose_revision(spec, store, apt)
    name = f"{spec.package}={revision}"

    def build(into: Path) -> None:
        if moved := moved_on(spec, revision, store):
            progress.line(moved)
        with progress.task(f"source {name}", "of 2 steps", total=2) as task:
            scratch = into / ".deb"
            scratch.mkdir()
            (deb,) = apt.download([name], scratch)
            task.advance()
            _unpack_debian(deb, spec, scratch, into)
            shutil.rmtree(scratch)
            task.advance()

    return _stored(spec, store, name.replace("=", "_"), build, f"debian {name}", revision)


def _choose_revision(spec: DebianSpec, store: Store, apt: SourcePackages) -> str:
    """Debian's version of the package: the one asked for, or the newest of the mirror."""
    if spec.pinned:
        return spec.pinned
    if spec.revision is None:
        return _newest(spec, apt)
    if spec.revision in stored_revisions(spec, store):
        return spec.revision
    there = [candidate.version for candidate in apt.candidates(spec.package)]
    if spec.revision not in there:
        raise no_such_revision(spec, store, there)
    return spec.revision


def _newest(spec: DebianSpec, apt: SourcePackages) -> str:
    candidates = apt.candidates(spec.package)
    if not candidates:
        found = {name.removeprefix("linux-source-") for name in apt.names("linux-source-")}
        known = sorted(found | set(load_suites().sources) - {spec.version})
        there = [f"debian:{version}" for version in known if version[:1].isdigit()]
        raise UserError(
            f"Debian has no {spec.package} in the suites where {spec} is looked for",
            hint=", ".join(there) or "a source of your own: dir:PATH, tar:PATH, git:PATH@REF",
        )
    return candidates[0].version


def _unpack_debian(deb: Path, spec: DebianSpec, scratch: Path, into: Path) -> None:
    packed = scratch / "data.tar"
    inner = f"./usr/src/{spec.package}.tar.xz"
    with packed.open("wb") as file:
        command = ("dpkg-deb", "--fsys-tarfile", deb)
        check_done(subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=False))
    check_done(run_tar("-x", "-f", packed, "-C", scratch, inner))
    check_done(run_tar("-x", "-f", scratch / inner, "-C", into, "--strip-components=1"))


def _tarball(spec: TarSpec, store: Store, progress: Progress) -> Source:
    path = typed(spec.path).absolute()
    with _open_tarball(spec) as file:
        try:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as exc:
            raise _unreadable(spec, exc) from exc
    _check_pin(spec, path, f"tar {content}")

    def build(into: Path) -> None:
        with progress.task(f"source {spec}", "files"):
            # GNU tar strips leading slashes, refuses "..", and makes symbolic links last.
            done = run_tar("-x", "-f", path, "-C", into, "--strip-components=1", "--no-same-owner")
            if done.returncode != 0:
                raise UserError(f"{spec} cannot be unpacked: {words_of(done)}")
            refuse_escapes(into, spec)
            read_version(into, spec)

    return _stored(spec, store, f"tar-{content}", build, identity=f"tar {content}")


def _open_tarball(spec: TarSpec) -> BufferedReader:
    try:
        return typed(spec.path).absolute().open("rb")
    except OSError as exc:
        raise _unreadable(spec, exc) from exc


def _unreadable(spec: TarSpec, exc: OSError) -> UserError:
    return UserError(f"{spec} cannot be read: {exc.strerror}")


def _commit(spec: GitSpec, store: Store, progress: Progress) -> Source:
    repository, commit = _find_commit(spec)

    def build(into: Path) -> None:
        with progress.task(f"source {spec} ({commit[:12]})", "files"):
            packed = into / ".source.tar"
            git(repository, "archive", "--format=tar", f"--output={packed}", commit)
            check_done(run_tar("-x", "-f", packed, "-C", into))
            packed.unlink()
            read_version(into, spec)

    return _stored(spec, store, f"git-{commit}", build, f"git {commit}", commit[:12])


def _find_commit(spec: GitSpec) -> tuple[Path, str]:
    """The repository, and the commit that its name stands for."""
    repository = typed(spec.path).absolute()
    if not repository.is_dir():
        raise UserError(f"{spec}: no such directory")
    return repository, spec.pinned or find_commit(repository, spec.ref)


def _directory(spec: DirectorySpec, store: Store, progress: Progress) -> Source:
    path = typed(spec.path).resolve()
    version = read_version(path, spec)
    names = tree.list_files(path)
    try:
        looks = tree.look_at(path, names)
        with progress.task(f"source {spec}: reading", "files"):
            contents = read_contents(path, looks, store)
    except OSError as exc:
        raise UserError(f"{exc.filename} cannot be read: {exc.strerror}") from exc
    content = identify(contents)
    _check_pin(spec, path, f"dir {content}")
    if not tree.is_built(path):
        return Source(path, version, f"dir {content}", tree.fingerprint_of(path, looks), contents)
    if not (path / ".git").exists():
        raise UserError(
            "has been built in place, and the kernel's Makefile refuses to build it elsewhere "
            "as it is",
            path=path,
            hint=f"make -C {path} mrproper, or a fresh copy of the tree",
        )

    def build(into: Path) -> None:
        with progress.task(f"source {spec}: copying what git knows of it", "files"):
            tree.copy_files(path, names, into)

    return _stored(spec, store, f"dir-{content}", build, identity=f"dir {content}")


def _check_pin(spec: TarSpec | DirectorySpec, path: Path, identity: str) -> None:
    if spec.pinned and spec.pinned != identity:
        raise _changed(path)


def _changed(path: Path) -> UserError:
    return UserError(
        f"{path} was changed while a kernel was being built of it",
        hint="run again, or name a commit: git:PATH@REF",
    )


def _stored(
    spec: KernelSpec,
    store: Store,
    key: str,
    build: Callable[[Path], None],
    identity: str,
    revision: str = "",
) -> Source:
    path = store.provide("source", key, build)
    return Source(path, read_version(path, spec), identity, revision=revision)
