"""What a long wait tells a person: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.console
    import rich.progress

LINE_SECONDS = 30.0


class Task:
    """One wait that advances: ``advance`` is called for each unit done."""

    def advance(self, _units: int = 1) -> None:
        """Count units done; shows nothing by itself."""


class _BarTask(Task):
    def __init__(self, bar: rich.progress.Progress, task: rich.progress.TaskID) -> None:
        self._bar = bar
        self._task = task

    def advance(self, units: int = 1) -> None:
        self._bar.advance(self._task, units)


@dataclass
class _LineTask(Task):
    progress: Progress
    text: str
    unit: str
    started: float = field(default_factory=time.monotonic)
    spoken: float = field(default_factory=time.monotonic)
    done: int = 0

    def advance(self, units: int = 1) -> None:
        self.done += units
        now = time.monotonic()
        if now - self.spoken >= LINE_SECONDS:
            self.spoken = now
            self.progress.line(f"{self.text}: {self.done} {self.unit}, {now - self.started:.0f} s")


class Progress:
    """Where waits report to: standard error, so that output stays what it is.

    ``bars`` is whether a terminal gets one.
    """

    def __init__(self, *, bars: bool = True) -> None:
        self._bars = bars

    def line(self, text: str) -> None:
        """One line, at once."""
        print(f"daxhound: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def task(self, text: str, unit: str, total: int | None = None) -> Iterator[Task]:
        """A wait of ``total`` units (None: not known), said at its start and at its end."""
        import rich.console  # here: a run that waits for nothing starts sooner

        started = time.monotonic()
        console = rich.console.Console(stderr=True)
        if self._bars and console.is_terminal:
            with self._bar(console, unit) as bar:
                yield _BarTask(bar, bar.add_task(text, total=total))
        else:
            self.line(text)
            yield _LineTask(self, text, unit)
        self.line(f"{text}: done in {time.monotonic() - started:.0f} s")

    @staticmethod
    def _bar(console: rich.console.Console, unit: str) -> rich.progress.Progress:
        import rich.progress

        return rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn(f"{{task.completed:.0f}} {unit}"),
            rich.progress.TimeElapsedColumn(),
            console=console,
            transient=True,
        )


class Silence(Progress):
    """For tests and for commands whose output another program reads."""

    def line(self, text: str) -> None:
        del text

    @contextmanager
    def task(self, text: str, unit: str, total: int | None = None) -> Iterator[Task]:
        del text, unit, total
        yield Task()
