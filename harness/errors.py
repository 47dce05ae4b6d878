"""Everything daxhound raises on purpose.

::

    DaxhoundError
    ├── UserError             bad input: says where, what, and what would do; exit 4
    ├── InfrastructureError   the host, the network or the harness failed; never the kernel's fault
    └── KernelFailure         the finding itself
        ├── BootFailure       the guest never came up: firmware trap, silence, reboot
        └── KernelReported    the console carries an oops, BUG, WARNING, panic or stall

Errors of libraries (pexpect, paramiko, jinja2, pydantic) are translated once, where
they enter, with ``from exc``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from harness.records import KernelReport


class DaxhoundError(Exception):
    """Base of every deliberate error; ``exit_code`` is that of the process that one ends."""

    exit_code: ClassVar[int]


class UserError(DaxhoundError):
    """Input that cannot work, with the place it came from and what would work instead.

    ``path``, ``line`` (counted from 1) and ``field`` (dotted, ``layout.pmem.0.size``)
    are given where the input is a file.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        path: Path | None = None,
        line: int | None = None,
        field: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.path = path
        self.line = line
        self.field = field
        self.hint = hint
        super().__init__(self._render())

    def _render(self) -> str:
        where = ""
        if self.path is not None:
            where = f"{self.path}:{self.line}: " if self.line else f"{self.path}: "
        field = f"{self.field}: " if self.field else ""
        hint = f"\n  try: {self.hint}" if self.hint else ""
        return f"{where}{field}{self.message}{hint}"


class BadValue(ValueError):
    """A value that is none of its kind, where nobody knows the file yet that it came from."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(message)


class InfrastructureError(DaxhoundError):
    """The host, QEMU, the network or the harness failed; says nothing about the kernel."""

    exit_code = 3


class KernelFailure(DaxhoundError):
    """The kernel under test did something no kernel should do."""

    exit_code = 1


class BootFailure(KernelFailure):
    """The guest did not reach its first step, and the host is not to blame."""


class KernelReported(KernelFailure):
    """The console carries at least one kernel report."""

    def __init__(self, reports: tuple[KernelReport, ...]) -> None:
        self.reports = reports
        super().__init__("; ".join(report.title for report in reports))


def nearest(word: str, known: Iterable[str]) -> str:
    """Sentence that lists what is known and, where one is close, what was probably meant."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    listing = ", ".join(names) if names else "(none)"
    return f"{close[0]!r} (known: {listing})" if close else f"one of: {listing}"
