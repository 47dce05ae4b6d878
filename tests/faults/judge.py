"""What must hold after a trial, whatever was harmed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.faults.run import Run

# The harness holds an image and a kernel at a time, and no console whole; see docs/reliability.md.
PEAK_BOUND_KIB = 192 << 10

# Where a loss could not be helped, it must be told.
_TOLD_LOSS = "run.json lacks what came last"
_OWN_FRAME = re.compile(r'^  File "[^"]*/harness/', re.MULTILINE)
# Python's own traceback, pytest's of a plugin, and pytest's of a test.
_NEVER_SAID = re.compile(r"Traceback \(most recent call last\)|INTERNALERROR|^E   .*", re.MULTILINE)
# The host's trouble must not look like these, nor the kernel's like infrastructure.
KERNELS = ("kernel-failure", "mismatch")

# pytest's first line, once every plugin is imported.
_STARTED = "test session starts"

Cells = dict[str, dict[str, Any]]
Expectation = Callable[[Cells], Iterable[str]]


def complaints(
    run: Run, expected: Expectation, *, cells: int | None, interrupted: bool = False
) -> Iterator[str]:
    """All that is wrong, in words. ``cells`` is how many must be in run.json, if all must.

    A run that was ``interrupted`` more than once may show a traceback of pytest's own end, and
    one that was interrupted while Python still imported it, Python's.
    """
    yield from run.workspace.left_behind()
    said = _NEVER_SAID.search(run.output)
    own_end = interrupted and not _OWN_FRAME.search(run.output)
    importing = "KeyboardInterrupt" in run.output and _STARTED not in run.output
    if said and not own_end and not importing:
        yield f"the output has {said[0]!r}"
    if "\x1b" in run.output:
        yield "a terminal escape got through"
    if run.peak_kib > PEAK_BOUND_KIB:
        yield f"the harness took {run.peak_kib >> 10} MiB"
    try:
        found = read_cells(run)
    except ValueError as exc:
        yield f"run.json cannot be read: {exc}"
        return
    yield from _lost(run, found)
    if cells is not None and len(found) != cells:
        yield f"{len(found)} of {cells} cells are in run.json"
    yield from expected(found)


def read_cells(run: Run) -> Cells:
    """The entries of run.json by id; none where there is no such file."""
    path = run.workspace.results / "run.json"
    if not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    return {str(cell["id"]): cell for cell in document["cells"]}


def _lost(run: Run, found: Cells) -> Iterator[str]:
    if not run.workspace.finished.exists() or _TOLD_LOSS in run.output:
        return
    for line in run.workspace.finished.read_text(encoding="utf-8").splitlines():
        who, _, cell = line.partition(" ")
        if who == "controller" and cell not in found:
            yield f"{cell} was finished and is not in run.json"


def never(*verdicts: str, and_at_most: int | None = None) -> Expectation:
    """No cell has one of these verdicts; at most so many are anything else than ok."""

    def expectation(cells: Cells) -> Iterator[str]:
        for cell in cells.values():
            if cell["verdict"] in verdicts:
                yield _told(cell)
        unsound = [cell for cell in cells.values() if cell["verdict"] != "ok"]
        if and_at_most is not None and len(unsound) > and_at_most:
            yield from (_told(cell) for cell in unsound)

    return expectation


def exactly(verdict: str, count: int, *, saying: str = "", phase: str = "") -> Expectation:
    """So many cells have a verdict, with these words in their reason; all others are ok."""

    def expectation(cells: Cells) -> Iterator[str]:
        others = [cell for cell in cells.values() if cell["verdict"] != "ok"]
        if len(others) != count:
            yield f"{len(others)} cells are not ok, expected {count}"
        for cell in others:
            if cell["verdict"] != verdict:
                yield f"expected {verdict}: {_told(cell)}"
            elif saying not in cell["reason"] or phase not in cell["phase"]:
                yield f"expected {saying!r} in phase {phase!r}: {_told(cell)}"

    return expectation


def hang(count: int) -> Expectation:
    """So many cells hang: by the kernel's own report, or after QEMU and the guest were asked."""
    judged = exactly("kernel-failure", count)

    def expectation(cells: Cells) -> Iterator[str]:
        yield from judged(cells)
        for cell in cells.values():
            asked = "SysRq" in cell["reason"] and "-- registers --" in cell["reason"]
            if cell["verdict"] == "kernel-failure" and not cell["report"] and not asked:
                yield f"nobody asked what it is at: {_told(cell)}"

    return expectation


def _told(cell: dict[str, Any]) -> str:
    return f"{cell['id']} is {cell['verdict']} in {cell['phase']}: {cell['reason'][:400]}"
