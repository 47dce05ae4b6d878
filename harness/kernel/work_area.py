"""Where patched kernels are built: a copy of the base that stays, and its object trees.

Switching from one patched tree to another rewrites only the files that differ, so that
make builds only what depends on them. Whoever holds the area has it for itself.

Killed in the middle of switching, the next holder compares every file that was ever
written and puts it right. Killed in the middle of make, the object tree is thrown away:
a compiler that was killed can leave half an object that looks finished.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import KernelFailure, UserError
from harness.kernel import tree
from harness.kernel.object_dates import date_anew
from harness.kernel.packed_objects import unpack_objects
from harness.kernel.patched import Files, identify
from harness.kernel.plain_file import read_file, remove_file, write_file
from harness.kernel.sandbox import why_not
from harness.kernel.source import Source
from harness.kernel.stale_objects import remove_stale
from harness.progress import Progress
from harness.store import Store, digest, flush_directory, flush_file_system, short_key
from harness.whole_file import write_whole

# The objects of some tens of kernels.
_CCACHE_CONF = "max_size = 2G\n"

# A tree is 1.5 GB, an object tree about 0.4 GB.
_KEPT_AREAS = 3
_KEPT_OBJECT_TREES = 8


@contextmanager
def hold_work_area(store: Store, base: Source, progress: Progress) -> Iterator[WorkArea]:
    """The area of a base, made where it is new, for as long as the caller needs it.

    Raises UserError where the base is somebody's own and is being edited.
    """
    key = digest(base.identity)[:24]
    with _hold(store, key, lambda root: _copy_base(base, root, progress)) as root:
        yield WorkArea(root, base)


@contextmanager
def hold_own_area(store: Store, base: Source) -> Iterator[WorkArea]:
    """The area of somebody's own tree, whatever is in it; it has object trees alone."""
    key = digest("own", str(base.path))[:24]
    with _hold(store, key, lambda root: root.mkdir(parents=True, exist_ok=True)) as root:
        yield WorkArea(root, base)


@contextmanager
def _hold(store: Store, key: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """The folder of one area, made where it is not whole; another process waits for it."""
    root = store.root / "work" / key
    with store.lock(_lock(key), f"builds in work/{short_key(key)}"):
        if not (root / "complete").exists():
            _discard_oldest(store, keep=_KEPT_AREAS - 1)
            make(root)
            (root / "complete").touch()
        (root / "used").touch()
        yield root


@dataclass(frozen=True, slots=True)
class WorkArea:
    """One tree, and an object tree for each thing that is built of it."""

    root: Path
    base: Source

    @property
    def tree(self) -> Path:
        """The source tree; on the same path always, since objects remember it."""
        return self.root / "tree"

    def ccache(self) -> Path:
        """The folder of a ccache of this area's own: of a header's versions, each compiles once.

        The user's is no place for the objects of strangers' patches.
        """
        folder = self.root / "ccache"
        folder.mkdir(exist_ok=True)
        (folder / "ccache.conf").write_text(_CCACHE_CONF, encoding="utf-8")
        return folder

    def switch(self, files: Files) -> int:
        """Make the tree the base with these differences; how many files were written.

        Raises UserError where the base was edited meanwhile.
        """
        paths = sorted(self._ever_written() | set(files))
        self._remember(paths)
        self._distrust_the_future()
        wanted = {p: files[p] if p in files else read_file(self.base.path, p) for p in paths}
        found = {path: read_file(self.tree, path) for path in paths}
        stale = [path for path in paths if found[path] != wanted[path]]
        # All old files before any new one: a folder may become a file.
        for path in stale:
            if found[path] is not None:
                remove_file(self.tree, path)
        for path in stale:
            if (file := wanted[path]) is not None:
                write_file(self.tree, path, file)
        self.base.check_unchanged()
        return len(stale)

    @contextmanager
    def objects(self, key: str, packed: Path | None = None) -> Iterator[Path]:
        """The object tree of that key, as the last build left it but for sources that are gone.

        A new one has what is in ``packed``, which is of the base, or nothing.
        """
        folder, marker = self.root / "objects" / key, self._marker(key)
        built, now = _Built.read(marker), self._identities()
        if not marker.exists():
            self._make_room(keep=_KEPT_OBJECT_TREES - 1)
        folder.mkdir(parents=True, exist_ok=True)
        marker.unlink(missing_ok=True)
        flush_directory(marker.parent)
        if packed is not None and not any(folder.iterdir()):
            unpack_objects(packed, folder)
            self._date_now(self._unlike({}, now))
        elif built is not None:
            self._pass_over_detours(folder, built, now)
        remove_stale(folder, self._absent())
        try:
            yield folder
        except (KernelFailure, UserError):
            # make came to its own end, and takes a failed object away itself. What is there may
            # be of the sources before as well.
            self._trust(key, None)
            raise
        self._trust(key, now)

    def _pass_over_detours(self, objects: Path, built: _Built, now: Mapping[str, str]) -> None:
        """Have make look at what differs from what the objects were made of, and at no more.

        Files that another kernel of the area had otherwise meanwhile were written again since.
        """
        differing = self._unlike(built.made_of, now)
        if any(built.is_older_than(self.tree / path) for path in now.keys() - differing):
            date_anew(objects)
            self._date_now(differing)

    def _unlike(self, made_of: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
        """Files that are not what they were then; those that are not told were the base's."""

        def before(path: str) -> str:
            return made_of.get(path) or identify(read_file(self.base.path, path))

        return {path for path, identity in now.items() if identity != before(path)}

    def _identities(self) -> dict[str, str]:
        """What each file that was ever written is, by its path."""
        return {path: identify(read_file(self.tree, path)) for path in self._ever_written()}

    def _date_now(self, files: Iterable[str]) -> None:
        """They are newer than all objects that were made without them."""
        now = time.time_ns()
        for path in files:
            with suppress(FileNotFoundError):
                os.utime(self.tree / path, ns=(now, now), follow_symlinks=False)

    def _absent(self) -> list[str]:
        """Files that were in the tree once, and are not now."""
        return [path for path in sorted(self._ever_written()) if not (self.tree / path).is_file()]

    def _trust(self, key: str, made_of: Mapping[str, str] | None) -> None:
        """``made_of`` are the files that were ever written; None where it is not known."""
        flush_file_system(self.root)
        write_whole(self._marker(key), json.dumps(made_of).encode())

    def _marker(self, key: str) -> Path:
        return self.root / "objects" / f"{key}.finished"

    def _ever_written(self) -> set[str]:
        try:
            return set(json.loads((self.root / "written.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return set()

    def _remember(self, paths: list[str]) -> None:
        """On disk before the first of them is written."""
        new = self.root / "written.json.new"
        with new.open("w", encoding="utf-8") as file:
            json.dump(paths, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.root / "written.json")
        flush_directory(self.root)

    def _distrust_the_future(self) -> None:
        """A clock that was set back makes changed files older than objects: make sees nothing."""
        (self.root / "clock").touch()
        for marker in self._markers():
            if not self._is_past(marker):
                marker.unlink()

    def _is_past(self, file: Path) -> bool:
        """Whether it was made before the tree was last switched."""
        return file.stat().st_mtime_ns < (self.root / "clock").stat().st_mtime_ns

    def _make_room(self, keep: int) -> None:
        """Remove all object trees but the newest of those that are to be trusted."""
        for marker in self._markers()[keep:]:
            marker.unlink()
        for folder in self.root.glob("objects/*/"):
            if not self._marker(folder.name).exists():
                shutil.rmtree(folder)

    def _markers(self) -> list[Path]:
        return _newest_first(self.root.glob("objects/*.finished"))


@dataclass(frozen=True, slots=True)
class _Built:
    """When an object tree was last built, and of what; of files that were not told, the base's."""

    at_ns: int
    made_of: Mapping[str, str]

    @classmethod
    def read(cls, marker: Path) -> _Built | None:
        """None where there is none, or where nobody knows what the objects are of."""
        try:
            made_of = json.loads(marker.read_text(encoding="utf-8"))
            return None if made_of is None else cls(marker.stat().st_mtime_ns, made_of)
        except (FileNotFoundError, ValueError):  # the host may have crashed with it half on disk
            return None

    def is_older_than(self, file: Path) -> bool:
        """Whether the file was written since."""
        return file.exists() and file.stat().st_mtime_ns >= self.at_ns


def _copy_base(base: Source, root: Path, progress: Progress) -> None:
    shutil.rmtree(root, ignore_errors=True)
    (root / "tree").mkdir(parents=True)
    (root / "used").touch()
    version = ".".join(map(str, base.version))
    with progress.task(f"source {version}: a tree to build patched kernels in", "files"):
        files = tree.list_files(base.path)
        tree.copy_files(base.path, files, root / "tree", link=_may_share_files(base, root))
        base.check_unchanged()
        flush_file_system(root)


def _may_share_files(base: Source, root: Path) -> bool:
    """Whether nobody writes to a file of the base, nor will to one of its copy.

    The store's sources stay as they are, and switching writes new files in place of old ones. A
    build without the sandbox may do as it likes.
    """
    stored = base.fingerprint is None
    return stored and why_not() is None and base.path.stat().st_dev == root.stat().st_dev


def _discard_oldest(store: Store, keep: int) -> None:
    for marker in _newest_first(store.root.glob("work/*/used"))[keep:]:
        store.discard(marker.parent, _lock(marker.parent.name))


def _newest_first(markers: Iterator[Path]) -> list[Path]:
    """Without those that another process removes at this moment, to make room as well."""
    found = []
    for marker in markers:
        with suppress(FileNotFoundError):
            found.append((marker.stat().st_mtime_ns, marker))
    return [marker for _, marker in sorted(found, reverse=True)]


def _lock(key: str) -> str:
    return f"work-{key}"
