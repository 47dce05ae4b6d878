"""A source tree that belongs to someone else: what is in it, without touching it.

What ``stat`` says of its files tells whether it was edited; the change time, which no program can
set back, is part of that.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from harness.errors import InfrastructureError
from harness.git import git
from harness.run_folder import IGNORE_FILE, is_run_folder

# The kernel's Makefile (outputmakefile) refuses to build elsewhere while one is there.
_BUILT_IN_TREE = (".config", "include/config", "arch/*/include/generated")

_NAMES_AT_A_TIME = 2000

Looks: TypeAlias = Mapping[str, tuple[int, ...]]


def is_built(tree: Path) -> bool:
    """Whether the kernel was built inside this tree, so that O= builds refuse it."""
    return any(any(tree.glob(pattern)) for pattern in _BUILT_IN_TREE)


def list_files(tree: Path) -> tuple[str, ...]:
    """Relative names of the source's files, sorted.

    In a git work tree these are the tracked and the untracked files that git does not
    ignore, so that what a build left there does not count; elsewhere all files. Folders that
    daxhound made for results are left out of both.
    """
    if (tree / ".git").exists():
        listed = git(tree, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = {os.fsdecode(name) for name in listed.split(b"\0") if name}
        return tuple(sorted(name for name in names if os.path.lexists(f"{tree}/{name}")))
    return tuple(sorted(_walk(tree)))


def look_at(tree: Path, names: Iterable[str]) -> Looks:
    """What ``stat`` says of the files: mode, size, inode, times of content and of change in ns."""
    looks = {}
    # By strings: 80,000 paths cost a second.
    for name in names:
        found = os.lstat(f"{tree}/{name}")
        times = found.st_mtime_ns, found.st_ctime_ns
        looks[name] = (found.st_mode, found.st_size, found.st_ino, *times)
    return looks


def fingerprint(tree: Path) -> str:
    """Digest of what :func:`look_at` sees now: other whenever a file may have changed."""
    return fingerprint_of(tree, look_at(tree, list_files(tree)))


def fingerprint_of(tree: Path, looks: Looks) -> str:
    """The same of what was seen before."""
    whole = hashlib.sha256(str(tree).encode())
    for name, look in looks.items():
        whole.update(f"{name}\0{look}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


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
    skip = len(f"{tree}/")
    for directory, subdirectories, files in os.walk(tree):
        below = f"{directory}/"[skip:]
        if below and IGNORE_FILE in files and is_run_folder(Path(directory)):
            subdirectories.clear()
            continue
        yield from (f"{below}{name}" for name in files)
        for name in subdirectories:
            if (Path(directory) / name).is_symlink():
                yield f"{below}{name}"
