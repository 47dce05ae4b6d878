"""Progress of long waits inside a pytest run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from harness.plugin.live import LIVE_LINES, LiveLines
from harness.plugin.worker_input import is_worker
from harness.progress import Progress, Task


class UncapturedProgress(Progress):
    """Builds speak to the terminal, not to the captured output of the cell that waits."""

    def __init__(self, config: pytest.Config) -> None:
        # Several workers of pytest-xdist have one terminal between them.
        super().__init__(bars=not is_worker(config))
        self._plugins = config.pluginmanager

    def line(self, text: str) -> None:
        with self._terminal():
            super().line(text)

    @contextmanager
    def task(self, text: str, unit: str, total: int | None = None) -> Iterator[Task]:
        with self._terminal(), super().task(text, unit, total) as task:
            yield task

    @contextmanager
    def _terminal(self) -> Iterator[None]:
        capture: Any = self._plugins.getplugin("capturemanager")
        live: LiveLines | None = self._plugins.getplugin(LIVE_LINES)
        with ExitStack() as stack:
            stack.enter_context(capture.global_and_fixture_disabled())
            if live is not None:
                stack.enter_context(live.paused())
            yield
