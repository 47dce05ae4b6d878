"""Kernel reports that a person knows of and does not want to hear of again.

Nothing is ignored unless a file says so, and each of its entries says why. What ends a
kernel cannot be ignored: the guest is gone::

    ignore:
      - {function: foo_probe, kind: warning, reason: fixed by the series that comes after}
      - {fingerprint: 1ace2077edbe5717, reason: known since 6.1}
      - {title: "WARNING in bar.*", reason: QEMU has no such register}
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pydantic

from harness.records import KernelReport
from harness.yaml_document import Record, load_documents


class IgnoreEntry(Record):
    """What a report must be to be ignored: all that is given; ``title`` is a pattern."""

    reason: str = pydantic.Field(min_length=1)
    title: str | None = None
    function: str | None = None
    kind: str | None = None
    fingerprint: str | None = None

    @pydantic.field_validator("reason")
    @classmethod
    def _says_something(cls, reason: str) -> str:
        if not reason.strip():
            raise ValueError("a reason says why")
        return reason

    @pydantic.field_validator("title")
    @classmethod
    def _is_pattern(cls, title: str | None) -> str | None:
        try:
            re.compile(title or "")
        except re.error as exc:
            raise ValueError(f"no regular expression: {exc}") from exc
        return title

    @pydantic.model_validator(mode="after")
    def _is_narrow(self) -> IgnoreEntry:
        if not (self.title or self.function or self.fingerprint):
            raise ValueError("needs a title, a function or a fingerprint")
        return self

    def covers(self, report: KernelReport) -> bool:
        """Whether a report is all that the entry says."""
        return (
            (self.title is None or re.fullmatch(self.title, report.title) is not None)
            and self.function in (None, report.function)
            and self.kind in (None, report.kind)
            and self.fingerprint in (None, report.fingerprint)
        )


class _IgnoreFile(Record):
    ignore: tuple[IgnoreEntry, ...]


@dataclass(frozen=True, slots=True)
class IgnoreList:
    """Entries of one file; the empty list ignores nothing."""

    entries: tuple[IgnoreEntry, ...] = ()

    def heeded(self, reports: Iterable[KernelReport]) -> tuple[KernelReport, ...]:
        """The reports that no entry covers, in their order; a fatal one is always among them."""
        return tuple(report for report in reports if self._heeds(report))

    def _heeds(self, report: KernelReport) -> bool:
        return report.severity == "fatal" or not any(e.covers(report) for e in self.entries)


NOTHING_IGNORED = IgnoreList()


def load_ignore_list(path: Path) -> IgnoreList:
    """An ignore file. Raises UserError with file, line and field."""
    documents = load_documents(path)
    return IgnoreList(tuple(entry for doc in documents for entry in doc.read(_IgnoreFile).ignore))
