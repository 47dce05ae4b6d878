"""The folder of a run, which may lie in the source tree that the run is about.

Its files come while the tree is read and built, and another run's are others: counted as the
tree's, they would give it a new name at each run. So a folder that is made for a run says that
nothing in it belongs to the tree, to git in git's words.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

IGNORE_FILE: Final = ".gitignore"
_IGNORED: Final = b"# Made by daxhound: results are no part of the tree that they lie in.\n*\n"


def make_run_folder(path: Path) -> None:
    """A new folder for results. Raises FileExistsError where something has the name."""
    path.mkdir(parents=True)
    with suppress(OSError):  # a full disk is told where results are written
        (path / IGNORE_FILE).write_bytes(_IGNORED)


def is_run_folder(path: Path) -> bool:
    """Whether a folder was made for results."""
    try:
        with (path / IGNORE_FILE).open("rb") as file:
            return file.read(len(_IGNORED) + 1) == _IGNORED
    except OSError:
        return False


def drop_unused(path: Path) -> None:
    """Take away a folder that was made for a run which wrote nothing, and the one for all runs."""
    with suppress(OSError):  # not empty, or gone
        if is_run_folder(path) and len(list(path.iterdir())) == 1:
            (path / IGNORE_FILE).unlink()
            path.rmdir()
            path.parent.rmdir()
