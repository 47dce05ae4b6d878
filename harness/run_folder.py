"""The folder of a run, which may lie in the source tree that the run is about.

Its files come while the tree is read and built, and another run's are others: counted as the
tree's, they would give it a new name at each run. So a folder that is made for a run says that
nothing in it belongs to the tree, to git in git's words.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from harness.errors import UserError

IGNORE_FILE: Final = ".gitignore"
_IGNORED: Final = b"# Made by daxhound: results are no part of the tree that they lie in.\n*\n"

ELSEWHERE: Final = "--results DIR, with another folder"

# What this process writes results to, by path: a descriptor, locked as long as the process lives.
_claimed: dict[Path, int] = {}


def make_run_folder(path: Path) -> None:
    """A new folder for results. Raises FileExistsError where something has the name."""
    path.mkdir(parents=True)
    with suppress(OSError):  # a full disk is told where results are written
        (path / IGNORE_FILE).write_bytes(_IGNORED)


def claim_run_folder(path: Path) -> None:
    """Have the folder for this process, whose run.json another's would replace.

    Raises UserError where another process has it, or where nothing can be written to it.
    """
    if path in _claimed:
        return
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError("cannot be written to", path=path, hint=ELSEWHERE)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(descriptor)
        hint = f"{ELSEWHERE}, or this one once that run has ended"
        raise UserError("another run writes its results there", path=path, hint=hint) from exc
    except OSError:  # a file system that knows no locks
        os.close(descriptor)
    else:
        _claimed[path] = descriptor


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
