"""git, asked about a repository that belongs to someone else: only commands that read."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from harness.errors import InfrastructureError, UserError
from harness.host_packages import install_command
from harness.shipped import typed

# Files come out as they were committed, also where a user's work trees have CR LF, and are looked
# for without a program that the repository names.
_READING = ("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.fsmonitor=false")
# Settings, such as safe.directory, and where they are: they are of no repository.
_SETTINGS = re.compile(r"GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)")


def git(repository: Path, *arguments: str, seconds: float | None = None) -> bytes:
    """Output of one git command that reads; UserError with git's own words where it fails.

    ``seconds`` is how long it may take, where that is limited.
    """
    try:
        done = subprocess.run(
            ("git", "-C", repository, *_READING, *arguments),
            env=own_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=seconds,
        )
    except FileNotFoundError as exc:
        raise InfrastructureError(f"git is missing: {install_command('git')}") from exc
    except subprocess.TimeoutExpired as exc:
        raise UserError(f"git {arguments[0]} in {repository} took more than {seconds} s") from exc
    except subprocess.CalledProcessError as exc:
        words = exc.stderr.decode(errors="replace").strip()
        raise UserError(f"git {arguments[0]} in {repository}: {words or 'failed'}") from exc
    return done.stdout


def own_environment() -> dict[str, str]:
    """The process's environment without what a hook leaves there.

    Its GIT_DIR or GIT_INDEX_FILE would win over the repository that a command names.
    """
    return {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("GIT_") or _SETTINGS.fullmatch(name)
    }


def split_name(name: str) -> tuple[str, str] | None:
    """Path and ref of ``PATH@REF``; None where no ref is named.

    Either may hold an @. The longest path counts that leads to a directory, and where none
    does, the shortest.
    """
    # A reflog selector such as HEAD@{1} is one ref.
    splits = [
        (name[: at.start()], name[at.end() :]) for at in re.finditer(r"(?<=.)@(?=[^{])", name)
    ]
    existing = [split for split in splits if _is_directory(split[0])]
    if existing:
        return existing[-1]
    return splits[0] if splits and not _is_directory(name) else None


def _is_directory(path: str) -> bool:
    try:
        return typed(path).is_dir()
    except OSError:  # too long
        return False


def find_commit(repository: Path, ref: str) -> str:
    """The commit that a branch, tag or other name stands for. Raises UserError."""
    try:
        name = f"{ref}^{{commit}}"
        found = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
    except UserError as exc:
        if exc.message.endswith("failed"):
            raise UserError(
                f"{ref!r} names no commit in {repository}",
                hint=f"a branch, a tag or an id that git -C {repository} log knows",
            ) from exc
        raise
    return found.decode().strip()


def find_bisected_from(tree: Path) -> str | None:
    """The commit that the ``git bisect`` under way in a work tree started from as good.

    The oldest that is known to be good and that the tree's own commit descends from; None
    where nothing is being bisected.
    """
    try:
        term = git(tree, "bisect", "terms", "--term-good").decode().strip()
    except UserError:
        return None
    order = ("--sort=committerdate", "--format=%(objectname)")
    found = git(tree, "for-each-ref", "--merged=HEAD", *order, f"refs/bisect/{term}-*")
    return found.decode().partition("\n")[0] or None
