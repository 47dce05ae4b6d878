"""The initramfs format: a pure writer of "newc" cpio archives.

The layout is the kernel's Documentation/driver-api/early-userspace/buffer-format.rst:
several archives, each compressed or not, may follow one another, and a file that comes
later replaces an earlier one of that name (init/initramfs.c). The kernel takes a header
only at a multiple of 4 bytes, so every archive made here ends on one.

Two runs over the same entries give the same bytes: sorted, owned by root, dated 1970.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
# init/initramfs.c holds names and link targets in PATH_MAX bytes, sizes in 32 bits.
_PATH_MAX = 4096
_SIZE_LIMIT = 1 << 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in an archive; made by ``file``, ``directory``, ``symlink`` or ``device``.

    ``path`` is relative to the guest's root and plain: no leading slash, no ``.`` or
    ``..`` (else ValueError). ``mode`` carries the type bits, ``data`` a file's content
    or a link's target.
    """

    path: str
    mode: int
    data: bytes = b""
    major: int = 0
    minor: int = 0

    def __post_init__(self) -> None:
        if not is_plain(self.path):
            raise ValueError(f"{self.path!r} is not a path below the root of an archive")
        if len(self.path.encode()) >= _PATH_MAX:
            raise ValueError(f"{self.path[:40]!r}... is longer than the kernel reads")
        if len(self.data) >= _SIZE_LIMIT:
            raise ValueError(f"{self.path!r} is 4 GiB or more, which newc cannot say")


def file(path: str, data: bytes, permissions: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(path, stat.S_IFREG | permissions, data)


def directory(path: str, permissions: int = 0o755) -> Entry:
    """A directory; ``with_parents`` makes the plain ones by itself."""
    return Entry(path, stat.S_IFDIR | permissions)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link; the target is kept as it is."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def device(path: str, major: int, minor: int, permissions: int = 0o600) -> Entry:
    """A character device node."""
    return Entry(path, stat.S_IFCHR | permissions, b"", major, minor)


def is_plain(path: str) -> bool:
    """Whether the path stays below the root, in its only spelling."""
    return path not in ("", ".") and str(PurePosixPath(path)) == path and _stays_below(path)


def _stays_below(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def with_parents(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries and each directory above them that is not among them."""
    given = tuple(entries)
    known = {entry.path for entry in given}
    above = {str(parent) for path in known for parent in PurePosixPath(path).parents}
    return given + tuple(directory(path) for path in sorted(above - known - {"."}))


def write_archive(entries: Iterable[Entry]) -> bytes:
    """The archive, parents before children, its length a multiple of 4 bytes.

    Raises ValueError where two entries share a path: which one won would depend on
    their order.
    """
    ordered = sorted(entries, key=lambda entry: PurePosixPath(entry.path).parts)
    counted = Counter(entry.path for entry in ordered)
    if twice := sorted(path for path, count in counted.items() if count > 1):
        raise ValueError(f"given twice: {', '.join(twice)}")
    return b"".join(_members(ordered))


def _members(entries: Iterable[Entry]) -> Iterator[bytes]:
    for number, entry in enumerate(entries, start=1):
        links = 2 if stat.S_ISDIR(entry.mode) else 1
        fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0)
        yield _header(entry.path, (*fields, entry.major, entry.minor))
        yield _padded(entry.data)
    yield _header(_TRAILER, (0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0))


def _header(name: str, fields: tuple[int, ...]) -> bytes:
    """Header and name; ``fields`` run from c_ino to c_rdevminor, c_check is always 0."""
    text = name.encode() + b"\0"
    numbers = b"".join(b"%08x" % field for field in (*fields, len(text), 0))
    return _padded(_MAGIC + numbers + text)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
