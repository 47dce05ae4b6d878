"""A patch series on a kernel source, without touching that source.

Only the files that a series names are copied, to a folder of their own; ``git apply``
changes them there. What comes out is the difference to the base, by content: a series and
its revert are no difference at all.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.errors import InfrastructureError, UserError
from harness.git import own_environment
from harness.host_packages import install_command
from harness.kernel.plain_file import File, read_file, write_file
from harness.kernel.refused_patch import Refusal, explain_refusal
from harness.kernel.source import Source
from harness.kernel.version import parse_version
from harness.scratch import scratch_directory
from harness.series.patch import Patch
from harness.store import digest

# Files by path; None where there is none.
Files = Mapping[str, File | None]

_APPLY = ("git", "apply", "--whitespace=nowarn", "-p1")


@dataclass(frozen=True, slots=True)
class PatchedSource:
    """A source and what differs from it: ``files`` are new, changed, or None where gone."""

    base: Source
    files: Files

    @property
    def identity(self) -> str:
        """Equal for equal differences to the same base, however they came about."""
        if not self.files:
            return self.base.identity
        parts = [f"{path} {identify(file)}" for path, file in sorted(self.files.items())]
        return f"{self.base.identity} patched {digest(*parts)}"

    @property
    def version(self) -> tuple[int, int, int]:
        """The kernel's version; patches to the Makefile count. Raises UserError."""
        if "Makefile" not in self.files:
            return self.base.version
        makefile = self.files["Makefile"]
        try:
            return parse_version(makefile.content.decode(errors="replace") if makefile else "")
        except ValueError as exc:
            raise UserError(f"the series leaves no kernel's Makefile: {exc}") from exc


class RefusedError(UserError):
    """A patch that does not fit the files it was made for."""

    def __init__(
        self, patch: Patch, refusal: Refusal, base: str | None = None, hint: str | None = None
    ) -> None:
        self.patch = patch
        self.refusal = refusal
        to = f" to {base}" if base else ""
        message = f"{refusal.where}: {patch.title} does not apply{to}: {refusal.reason}"
        super().__init__(message, hint=hint)


def patch_source(base: Source, patches: Sequence[Patch]) -> PatchedSource:
    """The source with the patches on it, in their order.

    Raises RefusedError for the first that does not apply, UserError for a path that leads
    through a symbolic link, or that has no room beside what the source has. Nothing of it is
    written to the source.
    """
    paths = dict.fromkeys(path for patch in patches for path in patch.files)
    try:
        before = {path: read_file(base.path, path) for path in paths}
        after = apply_patches(before, patches)
    except OSError as exc:
        raise InfrastructureError(f"patches cannot be applied on this host: {exc}") from exc
    for path in paths:
        if after[path] is not None and (why := _why_no_room(base.path, path, after)):
            patch = next(patch for patch in patches if path in patch.files)
            raise UserError(f"{patch.where}: {patch.title} makes {path}, {why} of its base")
    return PatchedSource(base, {p: after[p] for p in paths if after[p] != before[p]})


def _why_no_room(tree: Path, path: str, after: Files) -> str | None:
    """What a tree has in a new file's place, and patches do not take away; None for nothing."""

    def stays(file: Path) -> bool:
        return after.get(str(file.relative_to(tree)), file) is not None

    for parent in (tree / path).parents:
        if parent == tree or parent.is_dir():
            break
        if parent.exists() and stays(parent):
            return f"but {parent.relative_to(tree)} is a file"
    below = os.walk(tree / path)  # nothing, where that is no folder
    if any(stays(Path(folder, name)) for folder, _, names in below for name in names):
        return "which is a folder"
    return None


def apply_patches(before: Files, patches: Sequence[Patch]) -> Files:
    """Those files after the patches. Raises RefusedError."""
    with _scratch(before) as folder:
        for patch in patches:
            done = _git_apply(folder, patch)
            if done.returncode != 0:
                is_in = _git_apply(folder, patch, "--check", "--reverse").returncode == 0
                read = partial(read_file, folder)
                raise RefusedError(patch, explain_refusal(patch, done.stderr, is_in, read))
        return {path: read_file(folder, path) for path in before}


@contextmanager
def _scratch(files: Files) -> Iterator[Path]:
    with scratch_directory("patch") as scratch:
        folder = scratch.resolve() / "tree"
        folder.mkdir()
        for path, file in files.items():
            if file is not None:
                write_file(folder, path, file)
        yield folder


def _git_apply(folder: Path, patch: Patch, *options: str) -> subprocess.CompletedProcess[bytes]:
    """``git apply`` where it sees neither a repository nor anybody's settings."""
    environment = own_environment() | {
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_CONFIG_COUNT": "0",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    try:
        return subprocess.run(
            (*_APPLY, *options),
            cwd=folder,
            env=environment,
            input=patch.diff,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as exc:
        raise InfrastructureError(f"git is missing: {install_command('git')}") from exc


def identify(file: File | None) -> str:
    """A word for its content and mode, equal for equal ones."""
    if file is None:
        return "gone"
    return f"{'program' if file.executable else 'file'} {digest(file.content)}"
