"""Whose fault it was that make failed, read out of its log.

The host's where a tool is missing, a disk is full or a process was killed, the kernel's otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.errors import DaxhoundError, InfrastructureError, KernelFailure

_ERROR = re.compile(
    r": (?:fatal )?error: |undefined reference to |multiple definition of "
    r"|^\S*ld: (?!.*: (?:in function|warning: ))|^ERROR: |\*\*\* "
)
# What the disk or the OOM killer does to compilers, linkers and the shells that call them.
_HOST_ERROR = re.compile(
    r"No space left on device|Disk quota exceeded|Input/output error|Read-only file system"
    r"|Cannot allocate memory|virtual memory exhausted|Killed signal terminated program"
    r"|^Killed$|: line \d+: +\d+ Killed |terminated with signal 9|\*\*\* \[.*\] Error 137$"
)
# The host's fault where it is what make stopped at: kernels also ask for tools in vain
# that they can do without.
_HOST_LACKS = re.compile(r": (?:command )?not found$|(?:gelf|libelf|openssl/\w+)\.h: No such file")
# What gcc shows of a source that it complains of holds any words.
_EXCERPT = re.compile(r" *(?:\d+|\+{3})? \|")
_ERROR_LINES = 5
_MAKES_OWN = re.compile(r"make(?:\[\d+\])?: (?!.*No rule to make)")


def explain_failure(log: Path, arch: str, source: Path) -> DaxhoundError:
    """What went wrong in a build that failed, and whose fault it was.

    Paths are told as they are below ``source``, where make saw the tree.
    """
    text = log.read_text(encoding="utf-8", errors="replace").replace(f"{source}/", "")
    found = first_errors(text)
    lines = text.splitlines()
    failing = (line for line in _said(lines) if _HOST_ERROR.search(line))
    lacking = (line for line in _said(found or lines) if _HOST_LACKS.search(line))
    host = next(failing, None) or next(lacking, None)
    if host is not None:
        return InfrastructureError(
            f"the host failed the {arch} kernel's build: {host.strip()}\n  log: {log}"
        )
    said = "\n  ".join(found or _where_make_stopped(lines))
    return KernelFailure(f"the {arch} kernel does not build:\n  {said}\n  log: {log}")


def _said(lines: Iterable[str]) -> Iterator[str]:
    """What programs said themselves."""
    return (line for line in lines if not _EXCERPT.match(line))


def first_errors(text: str) -> tuple[str, ...]:
    """The first complaint of a compiler or linker, with the lines that belong to it.

    make's own lines are left out, but for the one that says there is no rule.
    """
    lines = [line for line in text.splitlines() if not _MAKES_OWN.match(line)]
    for number, line in enumerate(lines):
        if _ERROR.search(line):
            return tuple(lines[number : number + _ERROR_LINES])
    return ()


def _where_make_stopped(lines: Sequence[str]) -> Sequence[str]:
    return [line for line in lines if "*** " in line][:1] or ["make failed without a word"]
