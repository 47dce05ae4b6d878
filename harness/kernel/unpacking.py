"""tar and its like, run on archives: what they said where they failed, and what they left."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from harness.errors import InfrastructureError, UserError


def run_tar(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """tar, come to its end in whatever way. Raises InfrastructureError where there is none."""
    try:
        return subprocess.run(("tar", *arguments), capture_output=True, check=False)
    except FileNotFoundError as exc:
        raise InfrastructureError("tar is missing") from exc


def check_done(done: subprocess.CompletedProcess[bytes]) -> None:
    """Raises InfrastructureError for a command that failed."""
    if done.returncode != 0:
        raise InfrastructureError(f"{done.args[0]} failed: {words_of(done)}")


def words_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a command that failed said of it."""
    return (done.stderr or b"").decode(errors="replace").strip() or f"status {done.returncode}"


def refuse_escapes(root: Path, called: object) -> None:
    """No link of a stranger's tree may lead out of it: a build follows links. Raises UserError."""
    top = root.resolve()
    for directory, subdirectories, files in os.walk(root):
        for name in (*subdirectories, *files):
            path = Path(directory) / name
            if path.is_symlink() and not path.resolve().is_relative_to(top):
                raise UserError(
                    f"{called}: {path.relative_to(root)} is a link that leads out of the tree, "
                    f"to {path.readlink()}"
                )
