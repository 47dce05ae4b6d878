"""Who uses which entries of the store, so that pruning takes nothing from under anybody.

Each process has one file that it holds locked as long as it lives, and writes down there
what it was given. Whoever removes entries reads the files of the living.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import filelock

_USERS = ".users"
_USED = ".used"
_GATE = "users"
# What others hold for no longer is no news.
_SILENT_SECONDS = 2.0
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class Uses:
    """Uses of entries below one root, by every process."""

    # One file a process and store, whoever asks: it must live as long as the process.
    _own: ClassVar[dict[tuple[int, Path], IO[str]]] = {}

    def __init__(self, root: Path, locks: Path) -> None:
        self._root = root
        self._locks = locks

    def note(self, entry: Path) -> bool:
        """This process uses the entry from now on; False where it is not there any more."""
        try:
            with self.gate():
                if not entry.is_dir():
                    return False
                file = self._file()
                file.write(f"{self._name(entry)}\n")
                file.flush()
                self._mark(entry).touch()
        except OSError as exc:
            if exc.errno not in _READ_ONLY:
                raise
            # Nobody prunes here what this process may not even write to.
            return entry.is_dir()
        return True

    @contextmanager
    def gate(self) -> Iterator[None]:
        """While held, nobody starts to use an entry."""
        self._locks.mkdir(parents=True, exist_ok=True)
        with file_lock(self._locks / _GATE):
            yield

    def in_use(self) -> set[str]:
        """``kind/key`` of the entries that living processes use; files of the dead go."""
        used: set[str] = set()
        for path in (self._root / _USERS).glob("*.uses"):
            with path.open(encoding="utf-8") as file:
                if _lock(file):
                    path.unlink()
                else:
                    used |= set(file.read().splitlines())
        return used

    def own(self) -> tuple[str, ...]:
        """``kind/key`` of what this process uses, each once, the first first."""
        name = self._file().name
        return tuple(dict.fromkeys(Path(name).read_text(encoding="utf-8").splitlines()))

    def last_used(self, entry: Path) -> float:
        """When it was last given to anybody, or made: seconds since the epoch."""
        for path in (self._mark(entry), entry):
            if path.exists():
                return path.stat().st_mtime
        return 0.0

    def forget(self, entry: Path) -> None:
        """The entry is gone."""
        self._mark(entry).unlink(missing_ok=True)

    def _name(self, entry: Path) -> str:
        return str(entry.relative_to(self._root))

    def _mark(self, entry: Path) -> Path:
        path = self._root / _USED / self._name(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _file(self) -> IO[str]:
        """This process's file, made at its first use; a fork makes one of its own."""
        key = os.getpid(), self._root
        if key not in self._own:
            folder = self._root / _USERS
            folder.mkdir(parents=True, exist_ok=True)
            # Not by tempfile: who shares the store may be another user, and has to read it.
            path = folder / f"{os.getpid()}-{secrets.token_hex(8)}.uses"
            file = self._own[key] = path.open("x", encoding="utf-8")
            _lock(file)
        return self._own[key]


def _lock(file: IO[str]) -> bool:
    """Whether the file is now locked, until it is closed or its process ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def told_lock(path: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock; where another process has it for longer, ``tell`` is told once who.

    Nothing is told of this process's own threads, which say themselves what they do.
    """
    lock = file_lock(path)
    try:
        lock.acquire(timeout=_SILENT_SECONDS)
    except TimeoutError:
        holder = _holder(path)
        if holder != os.getpid():
            tell(f"another daxhound (process {holder})" if holder else "another daxhound")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _holder(path: Path) -> int | None:
    """The process that holds a lock, where the kernel tells."""
    try:
        file = path.stat()
        place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return None
    held = re.search(rf": FLOCK +\S+ +WRITE (?P<process>[1-9]\d*) {place} ", locks)
    return int(held["process"]) if held else None


def file_lock(path: Path, *, seconds: float = -1) -> filelock.BaseFileLock:
    """A lock to enter, which is a TimeoutError after so many seconds; -1 waits for it.

    Imported here, as it brings asyncio, which no prediction has to wait for.
    """
    import filelock

    return filelock.FileLock(path, timeout=seconds)
