"""How a kernel source is named on the command line: ``debian:6.1``, ``git:PATH@REF``, ...

Whether the source is there is ``harness/kernel/source.py``'s to find out; here directories tell
no more than which @ of several ends a path.

Each spec may be ``pinned`` to what its name stood for when a run first asked: a revision, a commit,
or a source's identity. Its name stays as it was typed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.errors import UserError
from harness.git import split_name

FORMS = ("debian:6.1", "dir:PATH", "tar:PATH", "git:PATH@REF")

_VERSION = re.compile(r"[0-9]+\.[0-9]+")
# A revision begins with a version, and is no word that leads out of a folder.
_REVISION = re.compile(r"[0-9][A-Za-z0-9.+:~-]*")
_DEBIAN = re.compile(rf"(?P<version>{_VERSION.pattern})(=(?P<revision>{_REVISION.pattern}))?")


@dataclass(frozen=True, slots=True)
class DebianSpec:
    """A ``linux-source-<version>`` of Debian's: the newest in the archive, or one revision."""

    version: str
    revision: str | None = None
    pinned: str = ""

    def __str__(self) -> str:
        return f"debian:{self.version}" + (f"={self.revision}" if self.revision else "")

    @property
    def package(self) -> str:
        return f"linux-source-{self.version}"


@dataclass(frozen=True, slots=True)
class DirectorySpec:
    """A source tree, built outside of it and never written to."""

    path: Path
    pinned: str = ""

    def __str__(self) -> str:
        return f"dir:{self.path}"


@dataclass(frozen=True, slots=True)
class TarSpec:
    """A tarball of a source tree, in any compression that tarfile reads."""

    path: Path
    pinned: str = ""

    def __str__(self) -> str:
        return f"tar:{self.path}"


@dataclass(frozen=True, slots=True)
class GitSpec:
    """One commit of a git repository; its work tree and index stay as they are."""

    path: Path
    ref: str
    pinned: str = ""

    def __str__(self) -> str:
        return f"git:{self.path}@{self.ref}"


KernelSpec: TypeAlias = DebianSpec | DirectorySpec | TarSpec | GitSpec


def parse_kernel_spec(text: str) -> KernelSpec:
    """A kernel source by its name. Raises UserError with the form that was meant."""
    kind, _, rest = text.partition(":")
    commit, debian = split_name(rest), _DEBIAN.fullmatch(rest)
    match kind:
        case "debian" if debian is not None:
            return DebianSpec(debian["version"], debian["revision"])
        case "dir" if rest:
            return DirectorySpec(Path(rest))
        case "tar" if rest:
            return TarSpec(Path(rest))
        case "git" if commit is not None:
            return GitSpec(Path(commit[0]), commit[1])
    raise UserError(f"no such kernel: {text!r}", hint=_nearest_form(kind, rest))


def _nearest_form(kind: str, rest: str) -> str:
    """What was probably meant by a name that is none."""
    if version := _VERSION.match(kind) or (kind == "debian" and _VERSION.match(rest)):
        whole = version.string
        one = "-" in whole and _REVISION.fullmatch(whole)  # 6.1.192-2, as the package's name has it
        return f"debian:{version[0]}" + (f"={whole}" if one else "")
    if kind == "git" and rest:
        return f"git:{rest.rstrip('@')}@HEAD"
    if not rest and re.search(r"\.tar(\.\w+)?$", kind):
        return f"tar:{kind}"
    if not rest and ("/" in kind or kind.startswith((".", "~"))):
        return f"dir:{kind}"
    meant = {form.partition(":")[0]: form for form in FORMS}
    close = difflib.get_close_matches(kind, meant, n=1)
    return meant[close[0]] if close else "one of " + ", ".join(FORMS)
