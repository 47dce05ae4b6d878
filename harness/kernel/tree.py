"""A source tree that belongs to someone else: what is in it, without touching it.

The content decides what a kernel is built again for. Reading 80,000 files takes seconds,
so their digest is remembered under what ``stat`` says of them; the change time, which no
program can set back, is part of that.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.errors import InfrastructureError
from harness.git import git
from harness.store import Store, digest

# The kernel's Makefile (outputmakefile) refuses to build elsewhere while one is there.
_BUILT_IN_TREE = (".config", "include/config", "arch/*/include/generated")

_NAMES_AT_A_TIME = 2000


def is_built(tree: Path) -> bool:
    """Whether the kernel was built inside this tree, so that O= builds refuse it."""
    return any(any(tree.glob(pattern)) for pattern in _BUILT_IN_TREE)


def list_files(tree: Path) -> tuple[str, ...]:
    """Relative names of the source's files, sorted.

    In a git work tree these are the tracked and the untracked files that git does not
    ignore, so that what a build left there does not count; elsewhere all files.
    """
    if (tree / ".git").exists():
        listed = git(tree, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = {os.fsdecode(name) for name in listed.split(b"\0") if name}
        return tuple(sorted(name for name in names if os.path.lexists(tree / name)))
    return tuple(sorted(_walk(tree)))


def fingerprint(tree: Path, names: tuple[str, ...]) -> str:
    """Digest of what ``stat`` says of the files: other whenever one may have changed."""
    whole = hashlib.sha256(str(tree).encode())
    for name in names:
        found = (tree / name).lstat()
        fields = (found.st_mode, found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
        whole.update(f"{name}\0{fields}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def content_digest(tree: Path, names: tuple[str, ...], seen: str, store: Store) -> str:
    """Digest of names, modes and contents; ``seen`` is the fingerprint it is kept under."""

    def build(into: Path) -> None:
        (into / "digest").write_text(digest(*_content(tree, names)))

    return (store.provide("tree-digest", seen, build) / "digest").read_text()


def copy_files(tree: Path, names: tuple[str, ...], into: Path, *, link: bool = False) -> None:
    """Copy the files, with their modes and times; blocks are shared where the disk can.

    With ``link`` both names are of one file, on one file system: a tenth of the time for a tree
    that nobody writes to. Raises InfrastructureError.
    """
    how = "--link" if link else "--reflink=auto"
    command = ("cp", "-a", "--parents", how, "-t", str(into), "--")
    for start in range(0, len(names), _NAMES_AT_A_TIME):
        batch = names[start : start + _NAMES_AT_A_TIME]
        done = subprocess.run((*command, *batch), cwd=tree, capture_output=True, check=False)
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise InfrastructureError(f"{tree} cannot be copied: {words}")


def _walk(tree: Path) -> Iterator[str]:
    for directory, subdirectories, files in os.walk(tree):
        links = [name for name in subdirectories if (Path(directory) / name).is_symlink()]
        for name in (*files, *links):
            yield str((Path(directory) / name).relative_to(tree))


def _content(tree: Path, names: tuple[str, ...]) -> Iterator[str | bytes | Path]:
    for name in names:
        path = tree / name
        mode = path.lstat().st_mode
        yield os.fsencode(name)
        if stat.S_ISLNK(mode):
            yield f"link {path.readlink()}"
        elif stat.S_ISREG(mode):
            yield "program" if mode & stat.S_IXUSR else "file"
            yield path
