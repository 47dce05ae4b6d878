"""Commits of a git repository as a series: ``git:PATH@A..B``; only read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.git import find_commit, git, split_name
from harness.series.text import Text, printable
from harness.shipped import typed

_MOST = 2000
# Plumbing: no setting of the user's changes what it prints.
_DIFF = ("diff-tree", "-p", "--root", "--no-commit-id", "--full-index", "--no-renames")
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
# What the user's settings would have it print besides, and how.
_SHOWN = ("-s", "--no-color", "--no-show-signature", "--encoding=UTF-8")


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: its diff stands in ``text``."""

    subject: str
    author: str
    text: Text


def read_commits(name: str) -> tuple[str, tuple[Commit, ...]]:
    """The range itself, and its commits, oldest first. Raises UserError."""
    rest = name.removeprefix("git:")
    path, last = split_name(rest) or (rest or "PATH", "HEAD")
    ends = re.fullmatch(r"(.+?)\.\.(\.?)(.*)", last)
    if ends is None:
        raise UserError(
            f"{name}: a series is a range of commits", hint=f"git:{path}@{last}~1..{last}"
        )
    if ends[2]:
        raise UserError(f"{name}: three dots are no range", hint=name.replace("...", ".."))
    repository = typed(path).absolute()
    if not repository.is_dir():
        raise UserError(f"{name}: no such directory: {repository}")
    older, newer = (find_commit(repository, ref) for ref in (ends[1], ends[3] or "HEAD"))
    commits = tuple(_commit(repository, id_) for id_ in _listed(repository, older, newer, name))
    return last, commits


def _listed(repository: Path, first: str, last: str, name: str) -> Iterator[str]:
    options = ("--reverse", "--topo-order", "--parents", f"--max-count={_MOST + 1}")
    lines = git(repository, "rev-list", *options, f"{first}..{last}").decode().splitlines()
    if not lines:
        behind = int(git(repository, "rev-list", "--count", f"{last}..{first}"))
        hint = "the two ends the other way round" if behind else "an older commit to start from"
        raise UserError(f"{name} holds no commit", hint=hint)
    if len(lines) > _MOST:
        raise UserError(f"{name} holds more than {_MOST} commits")
    shallow = git(repository, "rev-parse", "--is-shallow-repository").strip() == b"true"
    for line in lines:
        commit, *parents = line.split()
        if not parents and shallow:
            # Its diff would be every file that it has.
            raise UserError(
                f"{name}: the clone is shallow, and nothing before {commit[:12]} is there",
                hint=f"git -C {repository} fetch --unshallow",
            )
        if len(parents) > 1:
            raise UserError(
                f"{name} holds a merge, {commit[:12]}: a series is a line of commits",
                hint="a range of a branch that was rebased",
            )
        yield commit


def _commit(repository: Path, commit: str) -> Commit:
    told = git(repository, "show", *_SHOWN, "--format=%an <%ae>%n%s", commit)
    author, _, subject = told.decode(errors="replace").strip().partition("\n")
    diff = git(repository, *_DIFF, *_PLAIN, commit)
    return Commit(
        printable(subject), printable(author), Text(diff, Path(f"{repository}@{commit[:12]}"))
    )
