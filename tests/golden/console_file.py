"""The form of a recorded console: headers of what must be seen in it, and the raw log.

``title:``, ``kind:`` and ``function:`` of each report in their order, or ``none: true``;
``from:`` tells where it comes from. A blank line ends the headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.observe.console import ConsoleReader
from harness.records import KernelReport

DIRECTORY = Path(__file__).parent / "console"


def split_golden(path: Path) -> tuple[list[tuple[str, str]], bytes]:
    """Headers as pairs, and the log."""
    header, _, log = path.read_bytes().partition(b"\n\n")
    pairs = [line.partition(": ") for line in header.decode().splitlines()]
    return [(name, value) for name, _, value in pairs], log


def write_golden(path: Path, origin: str, log: bytes) -> None:
    """The file of a log, with the headers of what is seen in it today."""
    headers = [("from", origin), *headers_of(read(log))]
    text = "\n".join(f"{name}: {value}" for name, value in headers)
    path.write_bytes(text.encode() + b"\n\n" + log)


def read(log: bytes) -> tuple[KernelReport, ...]:
    """Every report of a whole console."""
    reader = ConsoleReader()
    reader.feed(log)
    reader.close()
    return reader.reports


def headers_of(reports: Sequence[KernelReport]) -> list[tuple[str, str]]:
    """The headers that say so."""
    if not reports:
        return [("none", "true")]
    return [
        pair
        for report in reports
        for pair in (
            ("title", report.title),
            ("kind", report.kind),
            ("function", report.function or "-"),
        )
    ]
