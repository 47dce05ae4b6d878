"""Content-addressed store: whatever is costly is made once, and shared by every process.

An entry is a directory ``<root>/<kind>/<key>``. It is complete from the moment it exists:
it is built under another name on the same file system, flushed to disk, and renamed.
What an entry holds is its maker's affair; keys come from ``digest``. An entry whose files
are no longer what they were is made again (``seals.py``).
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import platformdirs

from harness.errors import InfrastructureError
from harness.seals import damaged_file, read_seal, remove_seal, write_seal
from harness.store_use import Uses, file_lock, told_lock

# All start with a dot, which no kind of entry may.
_BUILDING = ".building"
_LOCKS = ".locks"
# Folders that are no entries: their owners keep them small, or their age is their use.
_NO_ENTRIES = ("acceleration", "apt", "logs", "trees", "work")
_SEALS = ".seals"
_DIGEST = re.compile(r"[0-9a-f]{24,}")


def _tell(text: str) -> None:
    print(f"daxhound: {text}", file=sys.stderr, flush=True)


class Store:
    """Entries under one root directory, safe between processes and against kill -9.

    ``tell`` is how a person hears of an entry that was damaged, and of a wait for others.
    """

    def __init__(self, root: Path, tell: Callable[[str], None] = _tell) -> None:
        self.root = root.absolute()
        self._uses = Uses(self.root, self.root / _LOCKS)
        self.tell = tell

    @classmethod
    def default(cls, environ: Mapping[str, str] = os.environ) -> Store:
        """The store at ``$DAXHOUND_CACHE``, or in the user's cache directory."""
        chosen = environ.get("DAXHOUND_CACHE")
        return cls(Path(chosen) if chosen else platformdirs.user_cache_path("daxhound"))

    def find(self, kind: str, key: str) -> Path | None:
        """The entry, where it has been made and is what it was: this process's to use.

        As long as the process lives nobody removes it. A damaged one is removed.
        """
        path, seal = self._entry(kind, key), self._seal(kind, key)
        with self.host_errors():
            if not (path.is_dir() and self._uses.note(path)):
                return None
            name = damaged_file(path, seal)
            if name is None:
                # Gone where another process found it damaged at this moment, and makes it again.
                return path if path.is_dir() else None
            self.tell(f"{path / name} is damaged; it is made again")
            with self._entry_lock(kind, key):
                # Whoever held the lock before may have made it again already.
                if path.is_dir() and damaged_file(path, seal) is not None:
                    self._take_away(path, f"{kind}-{key}")
                    remove_seal(seal)
        return path if path.is_dir() else None

    def provide(self, kind: str, key: str, build: Callable[[Path], None]) -> Path:
        """The entry, made by ``build`` in an empty directory where it is not there yet.

        A second process asking for the same entry waits for the first. A build that
        raises leaves nothing. Raises what ``build`` raises, and InfrastructureError where
        the file system refuses.
        """
        if found := self.find(kind, key):
            return found
        with self.host_errors(), self._entry_lock(kind, key):
            path = self._entry(kind, key)
            while not (path.is_dir() and self._uses.note(path)):
                self._make(kind, key, build)
            return path

    @contextmanager
    def lock(self, name: str, does: str) -> Iterator[None]:
        """Hold a named lock of this store; the kernel drops it when its holder dies.

        What a holder ``does``, such as "reads package lists", is told to whoever waits for long.
        Raises InfrastructureError where the file system has no room for it.
        """
        path = self.root / _LOCKS / name
        with ExitStack() as held:
            with self.host_errors():
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = told_lock(path, lambda whom: self.tell(f"waiting for {whom}, which {does}"))
                held.enter_context(lock)
            yield

    def _entry_lock(self, kind: str, key: str) -> AbstractContextManager[None]:
        """Held by whoever makes the entry."""
        return self.lock(f"{kind}-{key}", f"makes {kind}/{short_key(key)}")

    def discard(self, directory: Path, lock: str) -> None:
        """Remove a directory whose users hold that lock; left alone while one does."""
        with (
            suppress(TimeoutError),
            file_lock(self.root / _LOCKS / lock, seconds=0),
        ):
            # Whoever held the lock before may have removed it already.
            if directory.is_dir():
                self._take_away(directory, lock)

    def _take_away(self, directory: Path, lock: str) -> None:
        """Remove a directory whose users hold that lock, as the caller does."""
        shutil.rmtree(self._set_aside(directory, lock), ignore_errors=True)

    def _set_aside(self, directory: Path, lock: str) -> Path:
        """Where it is to be removed: whole or gone, also for whoever comes after a kill."""
        building = self.root / _BUILDING
        building.mkdir(parents=True, exist_ok=True)
        doomed = Path(tempfile.mkdtemp(prefix=f"{lock}.", dir=building))
        directory.rename(doomed / "doomed")
        return doomed

    def sealed(self, kind: str, key: str) -> dict[str, str]:
        """The SHA-256 of each file of an entry, as it was when it was made.

        Raises InfrastructureError where that is not known.
        """
        try:
            return read_seal(self._seal(kind, key))
        except (OSError, ValueError) as exc:
            raise InfrastructureError(f"the seal of {kind}/{key} cannot be read: {exc}") from exc

    def entries(self) -> Iterator[Path]:
        """Every entry that can be made again, and so be removed."""
        for kind in sorted(self.root.glob("[!.]*/")):
            if kind.name not in _NO_ENTRIES:
                yield from sorted(path for path in kind.iterdir() if path.is_dir())

    def others(self) -> Iterator[Path]:
        """Folders that hold no entries; nobody but their owners removes anything of them."""
        return (path for name in _NO_ENTRIES if (path := self.root / name).is_dir())

    def last_used(self, entry: Path) -> float:
        """When an entry was last used: seconds since the epoch."""
        return self._uses.last_used(entry)

    def busy(self) -> set[tuple[str, str]]:
        """Kind and key of the entries that living processes use."""
        with self.host_errors(), self._uses.gate():
            return {(Path(name).parent.name, Path(name).name) for name in self._uses.in_use()}

    def given(self) -> tuple[Path, ...]:
        """What this process was given, each entry once, in that order."""
        with self.host_errors():
            return tuple(self.root / name for name in self._uses.own())

    def remove(self, kind: str, key: str) -> bool:
        """Remove an entry that no living process uses; whether it was removed."""
        entry, name = self._entry(kind, key), f"{kind}-{key}"
        if not entry.is_dir():
            return False
        with (
            self.host_errors(),
            suppress(TimeoutError),  # whoever holds it makes or uses the entry
            file_lock(self.root / _LOCKS / name, seconds=0),
        ):
            with self._uses.gate():
                if not entry.is_dir() or f"{kind}/{key}" in self._uses.in_use():
                    return False
                doomed = self._set_aside(entry, name)
                self._uses.forget(entry)
                remove_seal(self._seal(kind, key))
            shutil.rmtree(doomed, ignore_errors=True)
            return True
        return False

    def _make(self, kind: str, key: str, build: Callable[[Path], None]) -> None:
        self._remove_leftovers(f"{kind}-{key}")
        entry = self._entry(kind, key)
        entry.parent.mkdir(parents=True, exist_ok=True)
        name = f"{kind}-{key}"
        # Not by tempfile: an entry is for as many as the files in it are.
        work = self.root / _BUILDING / f"{name}.{secrets.token_hex(8)}"
        work.mkdir()
        try:
            build(work)
            flush_file_system(work)
            write_seal(work, self._seal(kind, key))
            work.rename(entry)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        flush_directory(entry.parent)

    def _remove_leftovers(self, held: str) -> None:
        """Remove what killed builders left: directories whose lock nobody holds."""
        building = self.root / _BUILDING
        building.mkdir(parents=True, exist_ok=True)
        for leftover in building.iterdir():
            name, _, _ = leftover.name.rpartition(".")
            if name == held:
                shutil.rmtree(leftover, ignore_errors=True)
                continue
            self._remove_unless_held(name, leftover)

    def _remove_unless_held(self, name: str, directory: Path) -> None:
        with (
            suppress(TimeoutError),
            file_lock(self.root / _LOCKS / name, seconds=0),
        ):
            shutil.rmtree(directory, ignore_errors=True)

    @contextmanager
    def host_errors(self) -> Iterator[None]:
        """Raises InfrastructureError where the file system refuses, and names the store."""
        try:
            yield
        except OSError as exc:
            hint = ""
            if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                hint = "; DAXHOUND_CACHE can name another directory for it"
            raise InfrastructureError(f"the store at {self.root} failed: {exc}{hint}") from exc

    def _seal(self, kind: str, key: str) -> Path:
        return self.root / _SEALS / f"{kind}-{key}.json"

    def _entry(self, kind: str, key: str) -> Path:
        for word in (kind, key):
            if not word or word.startswith(".") or "/" in word:
                raise ValueError(f"{word!r} cannot name a store entry")
        return self.root / kind / key


def short_key(key: str) -> str:
    """A key for a person: of a digest, as much as tells it from others."""
    return _DIGEST.sub(lambda found: found[0][:12], key)


def digest(*parts: str | bytes | Path) -> str:
    """SHA-256 in hex over parts that cannot run into each other.

    A path stands for the content of the file there; the same bytes given as text, as
    bytes and as a file make three digests. Raises OSError for an unreadable file.
    """
    whole = hashlib.sha256()
    for part in parts:
        match part:
            case str():
                tag, content = b"s", part.encode()
            case bytes():
                tag, content = b"b", part
            case Path():
                tag, content = b"f", _file_digest(part)
        whole.update(tag + len(content).to_bytes(8, "big") + content)
    return whole.hexdigest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def flush_file_system(path: Path) -> None:
    """Write everything below ``path`` to disk: one syncfs, not an fsync for every file.

    A kernel source tree has 80,000 files; fsync of each takes minutes on a disk.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)


def flush_directory(path: Path) -> None:
    """Write to disk which names a directory holds."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
