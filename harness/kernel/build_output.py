"""What a build left in its object tree: a Makefile decides what that is, links included."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.errors import KernelFailure


def in_objects(objects: Path, name: str | Path) -> Path:
    """A path below an object tree, whatever is there.

    Raises KernelFailure where it leads out of the tree, by a link or by its own words.
    """
    relative, path = Path(name), objects / name
    # Not by Path.resolve(), which raises for links in a circle.
    followed, top = Path(os.path.realpath(path)), Path(os.path.realpath(objects))
    if relative.is_absolute() or ".." in relative.parts or not followed.is_relative_to(top):
        raise KernelFailure(f"the build left {name}, which leads out of its object tree")
    return path


def copy_built(objects: Path, name: str | Path, to: Path) -> None:
    """Copy a file that was built to where it is kept, the folders above it made where needed.

    Raises KernelFailure for what is no file, or leads out of the object tree.
    """
    path = in_objects(objects, name)
    if not path.is_file():
        raise KernelFailure(f"the build left no file {name}")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, to)
