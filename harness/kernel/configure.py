"""The .config of an object tree; Kconfig is not asked again for what it said before.

It takes make two seconds, which is a fifth of what a patch to one file costs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePosixPath

from harness.errors import KernelFailure, UserError
from harness.kconfig import Request, missing, parse_dotconfig, render
from harness.kernel.make import Make
from harness.kernel.patched import PatchedSource, identify
from harness.kernel.refusal import explain_refusals
from harness.store import digest
from harness.whole_file import write_whole

# In the object tree, and so thrown away with it where make was killed.
_MARK = "daxhound.configured"

# Kconfig's macros run scripts and compilers, which read none of the kernel's own sources. Those
# in scripts/ are programs that Kconfig is made of.
_SOURCES = frozenset({".c", ".h", ".S", ".rst"})
_PROGRAMS = "scripts"


def configure(
    make: Make,
    requests: Sequence[Request],
    wished: Sequence[Request],
    source: PatchedSource,
    title: str,
) -> None:
    """Write .config in make's object tree, where it is not there from an earlier build.

    ``wished`` need not take. ``title`` is what is built of the source. Raises UserError for all
    symbols that were asked for and did not take, KernelFailure where it is patches that took
    them away.
    """
    asked = render((*requests, *wished))
    key = digest(asked, *_what_kconfig_reads(source)).encode()
    mark = make.objects / _MARK
    if mark.is_file() and mark.read_bytes() == key:
        return
    mark.unlink(missing_ok=True)
    _ask_kconfig(make, asked)
    _check_taken(make, requests, title, patched=bool(source.files))
    # In its place: a build may have left a link there, which would be written through.
    write_whole(mark, key)


def _ask_kconfig(make: Make, asked: str) -> None:
    wanted = make.objects / "daxhound.config"
    # A build before may have left a link there, which would be written through.
    wanted.unlink(missing_ok=True)
    wanted.write_text(asked, encoding="utf-8")
    make.run(["allnoconfig"], jobs=1, environ={"KCONFIG_ALLCONFIG": str(make.seen(wanted))})


def _check_taken(make: Make, requests: Sequence[Request], title: str, *, patched: bool) -> None:
    dotconfig = make.objects / ".config"
    refused = missing(requests, parse_dotconfig(dotconfig.read_text(encoding="utf-8")))
    if not refused:
        return
    reasons = explain_refusals(refused, make)
    message = f"{len(refused)} of {len(requests)} symbols did not take in {title}:"
    message += "".join(f"\n  {reason}" for reason in reasons)
    if patched:
        # Its base took them, and is built before.
        raise KernelFailure(message)
    raise UserError(
        message,
        path=refused[0].path,
        line=refused[0].line,
        hint="ask for what it depends on as well, or leave its fragment out of the target",
    )


def _what_kconfig_reads(source: PatchedSource) -> tuple[bytes, ...]:
    """Files that a .config may come out differently for, by content: a series', and a tree's own.

    A stored source's objects are its own, and it stays as it is.
    """
    own = sorted((path, content.digest) for path, content in (source.base.contents or {}).items())
    changed = ((path, identify(file)) for path, file in sorted(source.files.items()))
    read = (f"{path} {content}" for path, content in (*own, *changed) if _is_read(path))
    return tuple(map(os.fsencode, read))


def _is_read(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.suffix not in _SOURCES or pure.parts[0] == _PROGRAMS
