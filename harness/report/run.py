"""A results folder read back, complete or not, whoever wrote it and when.

What is merely missing (a killed run, a cell's folder that was not copied) is read as far as
it goes, and said in ``notes``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.records import StepResult, Verdict, Word
from harness.report.document import CellEntry, RunDocument, Series, read_document
from harness.report.results import RUN_FILE, STEPS_FILE, step_from_json
from harness.units import count

_ID = re.compile(r"(?P<file>.*?)::(?P<scenario>[^\[]*)\[(?P<inside>.*)\](?P<suffix>[^\]]*)", re.S)
# Folders of further runs of a cell, of which only the times count: ``~2`` ends their ids.
_REPEAT = re.compile(r"~\d+(_[0-9a-f]{12})?$")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a run: its entry in run.json, and where its folder should be."""

    entry: CellEntry
    directory: Path
    kernel_spec: str

    @property
    def patch(self) -> int | None:
        """How many patches of the series were applied; None outside of a series."""
        if self.entry.patch is not None:
            return self.entry.patch.position
        return self.entry.comparison.patch if self.entry.comparison else None

    @property
    def patch_before(self) -> int:
        """How many patches the kernel had that the cell is compared with."""
        comparison = self.entry.comparison
        return comparison.base.patch if comparison and comparison.base else 0

    @property
    def key(self) -> tuple[str, str, int | None]:
        """What tells a cell from all others: id, kernel, patch."""
        return self.entry.id, self.kernel_spec, self.patch

    @property
    def stem(self) -> str:
        """The id without what a run per patch puts behind it."""
        match = _ID.fullmatch(self.entry.id)
        return self.entry.id.removesuffix(match["suffix"]) if match else self.entry.id

    @property
    def file(self) -> str:
        """The scenario file's name."""
        match = _ID.fullmatch(self.entry.id)
        return match["file"] if match else ""

    @property
    def parameters(self) -> str:
        """The parameters' values as the id has them: ``16M`` of ``[ppc64-hash-16M]``."""
        match = _ID.fullmatch(self.entry.id)
        inside = match["inside"] if match else ""
        return inside.removeprefix(self.entry.target).removeprefix("-")

    def file_of(self, name: str) -> Path:
        """A file of the attempt that counts.

        What a used guest showed counts also where a new guest, tried after it, did not.
        """
        path = self.directory / name
        first = path.with_stem(f"{path.stem}-attempt1")
        return first if self.entry.cells_before and first.exists() else path

    @property
    def failing(self) -> bool:
        return self.entry.verdict in (Verdict.MISMATCH, Verdict.KERNEL_FAILURE)

    @property
    def spoilt_by(self) -> str:
        """What a series did to a cell that is as expected and yet fails in pytest; else ""."""
        comparison = self.entry.comparison
        if comparison is None or not self.entry.verdict.is_expected:
            return ""
        return comparison.word.value if comparison.word in (Word.REGRESSED, Word.CHANGED) else ""

    @property
    def known_defects(self) -> tuple[str, ...]:
        """What the kernel is known to do wrong, and did; the cell may be as expected."""
        return tuple(defect.statement or defect.rule for defect in self.entry.known_defects)


@dataclass(frozen=True, slots=True)
class Run:
    """One run as its folder tells it; ``notes`` are sentences about what is not there."""

    directory: Path
    document: RunDocument
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()

    @property
    def kernels(self) -> tuple[str, ...]:
        """Kernels as they were asked for, in the order in which they come."""
        return tuple(dict.fromkeys(cell.kernel_spec for cell in self.cells))

    @property
    def series(self) -> Series | None:
        return self.document.series


def read_run(directory: Path) -> Run:
    """The run in a results folder. Raises UserError for one that is none."""
    document = read_document(directory)
    cells = tuple(
        Cell(entry, directory / entry.folder, entry.kernel_spec or document.kernel)
        for entry in document.cells
    )
    for (name, _, _), times in Counter(cell.key for cell in cells).items():
        if times > 1:
            raise UserError(f"cell {name} is there {times} times", path=directory / RUN_FILE)
    return Run(directory, document, cells, tuple(_notes(directory, document, cells)))


def _notes(directory: Path, document: RunDocument, cells: tuple[Cell, ...]) -> Iterator[str]:
    killed = document.ended_early
    if killed:
        yield "the run was ended before its time: run.json holds the cells that it finished"
    known = {cell.entry.folder for cell in cells}
    begun = sorted(
        path.parent.name
        for path in directory.glob(f"*/{STEPS_FILE}")
        if path.parent.name not in known and not _REPEAT.search(path.parent.name)
    )
    if killed and begun:
        yield f"{count(len(begun), 'cell')} begun, not finished: {_some(begun)}"
    never = (document.chosen or 0) - len(cells) - len(begun)
    if killed and never > 0:
        yield f"{count(never, 'cell')} never begun"
    yield from lacking_shards(document)
    lost = [cell.entry.id for cell in cells if not cell.directory.is_dir()]
    if lost:
        without = "without a folder, so without steps or console"
        yield f"{count(len(lost), 'cell')} {without}: {_some(lost)}"


def lacking_shards(document: RunDocument) -> tuple[str, ...]:
    """Sentences about parts that were not there when others were made one."""
    return tuple(f"{part} is not there" for part in document.lacks)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def read_steps(cell: Cell) -> tuple[tuple[StepResult, ...], str | None]:
    """The steps of a cell in order, and what is wrong with their file, if anything is."""
    steps: list[StepResult] = []
    try:
        with cell.file_of(STEPS_FILE).open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                try:
                    steps.append(step_from_json(json.loads(line)))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    return tuple(steps), f"{STEPS_FILE} cannot be read from line {number} on"
    except OSError as exc:
        return (), f"{STEPS_FILE} cannot be read: {exc.strerror}"
    return tuple(steps), None
