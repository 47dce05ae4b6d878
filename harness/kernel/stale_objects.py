"""Objects of source files that are gone, which make would take for good.

It knows no rule for them any more, and what is there and has no rule is up to date: a kernel whose
Makefile still wants such an object would build here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath


def remove_stale(objects: Path, gone: Iterable[str]) -> None:
    """Remove from an object tree all that is named after source files that are gone.

    ``foo.o``, its ``.foo.o.cmd``, ``foo.dtb``, a program ``foo``: whatever is wanted is made again.
    What includes a header that is gone, make finds by itself.
    """
    for path in gone:
        if not path.endswith(".h"):
            _remove_named_after(objects, PurePosixPath(path))


def _remove_named_after(objects: Path, path: PurePosixPath) -> None:
    folder = objects
    for name in path.parent.parts:
        folder /= name
        # A stranger's Makefile can put a link there that leads out.
        if folder.is_symlink() or not folder.is_dir():
            return
    for made in list(folder.iterdir()):
        of_it = made.name == path.stem or made.name.startswith((f"{path.stem}.", f".{path.stem}."))
        if of_it and (made.is_symlink() or not made.is_dir()):
            made.unlink()
