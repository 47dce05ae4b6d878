"""Ordinary files of a tree, reached by relative paths that follow no symbolic link."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError


@dataclass(frozen=True, slots=True)
class File:
    """All that a patch can say of a file."""

    content: bytes
    executable: bool


def read_file(tree: Path, path: str) -> File | None:
    """A file of the tree; None where there is none.

    Raises UserError for what is no ordinary file, and for a path through a link.
    """
    current = tree
    *folders, name = Path(path).parts
    for folder in folders:
        current /= folder
        mode = _mode(current)
        if stat.S_ISLNK(mode):
            raise UserError(f"{path} leads through the symbolic link {current}")
        if not stat.S_ISDIR(mode):
            return None
    file = current / name
    mode = _mode(file)
    if mode == 0 or stat.S_ISDIR(mode):
        return None
    if not stat.S_ISREG(mode):
        raise UserError(f"{file} is no ordinary file, and only those are patched")
    return File(file.read_bytes(), bool(mode & stat.S_IXUSR))


def write_file(tree: Path, path: str, file: File) -> None:
    """Write a file that is not there yet, and the folders above it."""
    target = tree / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.content)
    target.chmod(0o755 if file.executable else 0o644)


def remove_file(tree: Path, path: str) -> None:
    """Remove a file, and the folders above it that are empty then, as git does."""
    target = tree / path
    target.unlink()
    for folder in target.parents:
        if folder == tree or not folder.is_dir() or any(os.scandir(folder)):
            return
        folder.rmdir()


def empty_folder(folder: Path) -> None:
    """Remove all that is in a folder, and nothing that links in it lead to."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
