"""The processes of pytest-xdist that run cells: what they are told, and when they must end."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

import pytest

from harness.plugin.beginning import begin
from harness.plugin.items import SETTINGS


class Workers:
    """The controller's plugin for its workers.

    Left to pytest-xdist, a worker goes on for five seconds after its controller was told to
    end, and has as many more to end its guest before it is killed. On a busy host that is too
    few, so it is told at once.
    """

    def __init__(self) -> None:
        self._pids: list[int] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """One kernel for all of them: what its name stands for may move on meanwhile."""
        if session.config.pluginmanager.has_plugin("dsession"):
            begin(session.config)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """pytest-xdist: a worker is about to start."""
        node.config.stash[SETTINGS].worker_input.put(node.workerinput)
        if node.gateway.spec.popen:
            # Has been asked for by pytest-xdist itself, and is not asked for again.
            self._pids.append(node.gateway._rinfo().pid)

    def pytest_keyboard_interrupt(self) -> None:
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
