"""All that a report tells of one cell, read from its folder when it is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.records import CellResult, Comparison, KernelReport, PatchLabel, StepResult
from harness.report.console import Excerpt, read_excerpt
from harness.report.document import ReportDetails
from harness.report.results import CONSOLE_FILE, QEMU_FILE, finite
from harness.report.run import Cell, read_steps
from harness.report.series_text import render_comparison
from harness.report.text import render_failure


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a cell's time, in the order in which they come."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Emulation:
    """How the guest ran, as in qemu.json; it was booted for the first of ``cells_before``."""

    version: str
    accelerator: str
    argv: tuple[str, ...]
    reached_seconds: Mapping[str, float]
    boot_seconds: float
    cells_before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """One cell; ``problem`` says what of it could not be read."""

    cell: Cell
    steps: tuple[StepResult, ...]
    problem: str | None
    console: Excerpt | None
    emulation: Emulation | None

    @property
    def report_lines(self) -> tuple[str, ...]:
        """The kernel report as the console has it, as far as the excerpt shows it."""
        details = self.cell.entry.report_details
        if details is None or self.console is None:
            return ()
        return tuple(
            line
            for piece in self.console.pieces
            for number, line in enumerate(piece.lines, start=piece.first_line)
            if details.first_line <= number <= details.last_line
        )

    @property
    def report_length(self) -> int:
        """How many lines the kernel report has, shown or not."""
        details = self.cell.entry.report_details
        return details.last_line - details.first_line + 1 if details else 0

    @property
    def result(self) -> CellResult:
        """The cell as it was when it had run, its report's text as the console has it."""
        entry, details = self.cell.entry, self.cell.entry.report_details
        report = None
        if entry.report is not None:
            details = details or ReportDetails()
            report = KernelReport(
                title=entry.report,
                text="\n".join(self.report_lines),
                **{name: getattr(details, name) for name in ReportDetails.model_fields},
            )
        return CellResult(
            id=entry.id,
            scenario=entry.scenario,
            target=entry.target,
            kernel=entry.kernel,
            verdict=entry.verdict,
            reason=entry.reason,
            seconds=entry.seconds,
            guest_seconds=entry.guest_seconds,
            steps=self.steps,
            report=report,
            retried=entry.retried,
            phase=entry.phase,
            note=entry.note,
            patch=PatchLabel(entry.patch.position, entry.patch.subject) if entry.patch else None,
        )

    @property
    def comparison_lines(self) -> list[str]:
        """What became of the cell between two kernels of a series; empty outside of one."""
        entry = self.cell.entry.comparison
        if entry is None or entry.base is None:
            return []
        comparison = Comparison(
            word=entry.word,
            base=PatchLabel(entry.base.patch, ""),
            base_verdict=entry.base.verdict,
            base_reason=entry.base.reason,
            differences=entry.differences,
            times=entry.times,
            intended=entry.intended,
            lost=entry.lost,
            defects_new=entry.defects_new,
            defects_gone=entry.defects_gone,
        )
        subject = entry.patch_subject or ""
        return render_comparison(comparison, PatchLabel(self.cell.patch or 0, subject))

    @property
    def text(self) -> str:
        """A failing cell as the terminal told it when it ran."""
        folder = str(self.cell.directory)
        story = render_failure(self.result, folder=folder, reproduce=reproduce(self.cell))
        return "\n".join([*self.comparison_lines, story])

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Where the cell's time went."""
        return tuple(phase for phase in _phases(self) if phase.seconds > 0)


def read_story(cell: Cell) -> Story:
    """What the folder holds; what it lacks is empty."""
    steps, problem = read_steps(cell)
    details = cell.entry.report_details
    place = (details.first_line, details.last_line) if details else None
    console = read_excerpt(cell.file_of(CONSOLE_FILE), place)
    return Story(cell, steps, problem, console, read_emulation(cell))


def read_emulation(cell: Cell) -> Emulation | None:
    """How the guest ran; None where it never did, or nothing readable says so."""
    try:
        data = json.loads(cell.file_of(QEMU_FILE).read_bytes())
        return Emulation(
            str(data["version"]),
            str(data["accelerator"]),
            tuple(map(str, data["argv"])),
            {str(k): finite(v) for k, v in data.get("reached_seconds", {}).items()},
            finite(data.get("boot_seconds", 0.0)),
            tuple(map(str, data.get("cells_before", ()))),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _phases(story: Story) -> Iterator[Phase]:
    entry = story.cell.entry
    yield Phase("provide kernel and image", entry.seconds - entry.guest_seconds)
    told = 0.0
    for phase in (*_boot(story.emulation), *_steps(story.steps)):
        told += phase.seconds
        yield phase
    yield Phase("rest of the guest", round(entry.guest_seconds - told, 3))


def _boot(emulation: Emulation | None) -> Iterator[Phase]:
    if emulation is None or emulation.cells_before:
        return
    # Not every kernel says when it runs init.
    in_one = {"ready": "kernel and init"} if "init" not in emulation.reached_seconds else {}
    names = {"kernel": "firmware", "init": "kernel", "ready": "init", "shell": "shell"} | in_one
    before = 0.0
    for state, name in names.items():
        at = emulation.reached_seconds.get(state)
        if at is not None:
            yield Phase(name, round(at - before, 3))
            before = at
    if not emulation.reached_seconds:
        yield Phase("boot", emulation.boot_seconds)


def _steps(steps: tuple[StepResult, ...]) -> Iterator[Phase]:
    for step in steps:
        seconds = sum(command.seconds for command in step.observation.commands)
        yield Phase(step.step, round(seconds, 3))


def reproduce(cell: Cell) -> str:
    """The command that runs the cell again."""
    entry = cell.entry
    if entry.reproduce is not None:
        return entry.reproduce
    file = entry.file or f"scenarios/{cell.file}"
    name = cell.stem.split("::", 1)[-1]
    return f"pytest '{file}::{name}' --arch {entry.target} --kernel {cell.kernel_spec}"
