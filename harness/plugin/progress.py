"""Progress of long waits inside a pytest run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from harness.progress import Progress, Task


class UncapturedProgress(Progress):
    """Builds speak to the terminal, not to the captured output of the cell that waits."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture: Any = config.pluginmanager.getplugin("capturemanager")

    def line(self, text: str) -> None:
        with self._capture.global_and_fixture_disabled():
            super().line(text)

    @contextmanager
    def task(self, text: str, unit: str, total: int | None = None) -> Iterator[Task]:
        with self._capture.global_and_fixture_disabled(), super().task(text, unit, total) as task:
            yield task
