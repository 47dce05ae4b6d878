"""Another base that would take a series: looked for once it is known that this one does not.

In a git repository these are the commits below the base that touched the same files, newest
first, then its tags; elsewhere the sources that the store has. Only the files that the
series names are read of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import UserError
from harness.git import find_commit, git
from harness.kernel.patched import RefusedError, apply_patches, patch_source
from harness.kernel.plain_file import File
from harness.kernel.source import Source
from harness.kernel.spec import DebianSpec, DirectorySpec, GitSpec, KernelSpec
from harness.series.patch import Patch
from harness.shipped import typed
from harness.store import Store

_COMMITS, _TAGS = 60, 40
_SECONDS = 20.0
# git has an option for more paths, but a series with more is no small change.
_MOST_PATHS = 500
_ORDINARY = {"100644": False, "100755": True}


def find_nearest_base(spec: KernelSpec, patches: Sequence[Patch], store: Store) -> str | None:
    """The name of a kernel source that takes the whole series; None where none was found."""
    deadline = Deadline.after(_SECONDS)
    repository = _repository(spec)
    if repository is None:
        return _among_stored(patches, store, deadline)
    try:
        return _among_commits(*repository, patches, deadline)
    except UserError:
        # Nobody asked for these commits: what git says of them is no news.
        return None


def _repository(spec: KernelSpec) -> tuple[Path, str] | None:
    match spec:
        case GitSpec():
            return typed(spec.path).absolute(), spec.ref
        case DirectorySpec() if (typed(spec.path) / ".git").exists():
            return typed(spec.path).absolute(), "HEAD"
    return None


def _among_commits(
    repository: Path, ref: str, patches: Sequence[Patch], deadline: Deadline
) -> str | None:
    paths = list(dict.fromkeys(path for patch in patches for path in patch.files))
    if len(paths) > _MOST_PATHS:
        return None
    blobs: dict[str, bytes] = {}
    tried: set[str] = set()
    for name in _candidates(repository, ref, paths, deadline):
        if deadline.expired:
            return None
        listed = git(repository, "ls-tree", "-z", "-r", "--full-tree", name, "--", *paths).decode()
        if listed in tried:
            continue
        tried.add(listed)
        if _takes(_read(repository, paths, listed, blobs), patches):
            return f"git:{repository}@{name}"
    return None


def _candidates(
    repository: Path, ref: str, paths: Sequence[str], deadline: Deadline
) -> Iterator[str]:
    head = find_commit(repository, ref)
    history = ("rev-list", f"--max-count={_COMMITS}", "--abbrev-commit", "--abbrev=12", head)
    # Of a file that is rarely touched, git walks all there is.
    touched = git(repository, *history, "--", *paths, seconds=deadline.remaining)
    yield from touched.decode().split()
    tags = ("for-each-ref", f"--count={_TAGS}", "--sort=-creatordate", "refs/tags")
    yield from git(repository, *tags, "--format=%(refname:short)").decode().split()


def _read(
    repository: Path, paths: Sequence[str], listed: str, blobs: dict[str, bytes]
) -> dict[str, File | None]:
    """The files as one commit has them; ``blobs`` keeps what was read already."""
    files: dict[str, File | None] = dict.fromkeys(paths)
    for line in filter(None, listed.split("\0")):
        attributes, _, path = line.partition("\t")
        mode, kind, blob = attributes.split()
        if kind == "blob" and mode in _ORDINARY and path in files:
            if blob not in blobs:
                blobs[blob] = git(repository, "cat-file", "blob", blob)
            files[path] = File(blobs[blob], _ORDINARY[mode])
    return files


def _among_stored(patches: Sequence[Patch], store: Store, deadline: Deadline) -> str | None:
    for path in sorted(store.root.glob("source/linux-source-*"), reverse=True):
        if deadline.expired:
            return None
        try:
            patch_source(Source(path, (0, 0, 0), ""), patches)
        except UserError:
            continue
        version, _, revision = path.name.removeprefix("linux-source-").partition("_")
        return str(DebianSpec(version, revision))
    return None


def _takes(files: dict[str, File | None], patches: Sequence[Patch]) -> bool:
    try:
        apply_patches(files, patches)
    except RefusedError:
        return False
    return True
