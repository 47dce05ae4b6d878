"""A pytest plugin that harms a run from within, where nobody outside can reach.

What to do is in the environment, as JSON: ``append`` are words for the kernel's command
line; ``strikes`` times, before the step numbered ``at`` (from 0; ``guest``, ``tidy`` and
``dmesg`` are other places), ``command`` is run in the guest, or ``deed`` is done to its link.
``finished`` is a file that names every cell as soon as its process is done with it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import pytest

from harness.campaign import attempt, pool
from harness.deadline import Deadline
from harness.guest.serial import SerialLine
from harness.guest.ssh import SshLine
from harness.guest.steps import Housekeeping
from harness.guest.turns import Line, TurnShell
from harness.plugin.items import CELL_PROPERTY, SETTINGS

PLAN = "DAXHOUND_FAULT"

_COMMAND_SECONDS = 30.0


class Saboteur:
    """Strikes at one place of a cell's way, so many times."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.at = plan.get("at")
        self.strikes = int(plan.get("strikes", 1))
        self.command = plan.get("command")
        self.deed = plan.get("deed")
        self.seconds = float(plan.get("seconds", _COMMAND_SECONDS))
        self.delay = float(plan.get("delay", 0.0))
        self.steps = 0

    def install(self) -> None:
        """Stand before everything that a cell does in its guest."""
        self._precede(attempt, "run_step", lambda _step, shell, _context: (str(self.steps), shell))
        self._precede(pool, "identify_guest", lambda shell, _: ("guest", shell))
        self._precede(Housekeeping, "tidy", lambda house, _deadline: ("tidy", house._shell))
        self._precede(
            attempt.Attempt, "_keep_dmesg", lambda _attempt, guest: ("dmesg", guest.shell)
        )

    def _precede(
        self, owner: Any, name: str, place_of: Callable[..., tuple[str, TurnShell]]
    ) -> None:
        original = getattr(owner, name)

        def preceded(*arguments: Any) -> Any:
            place, shell = place_of(*arguments)
            self._pass(place, shell)
            return original(*arguments)

        setattr(owner, name, preceded)

    def _pass(self, place: str, shell: TurnShell) -> None:
        self.steps += place.isdigit()
        if self.strikes <= 0 or not self._is_due(place):
            return
        self.strikes -= 1
        if self.command is not None:
            shell.run(self.command, Deadline.after(self.seconds))
        if self.deed is not None:
            _DEEDS[self.deed](shell, self.delay)

    def _is_due(self, place: str) -> bool:
        """A second strike at a step meets the next one, whichever that is."""
        if place.isdigit() and str(self.at).isdigit():
            return int(place) >= int(str(self.at))
        return place == self.at


def _cut(shell: TurnShell, delay: float) -> None:
    """Close the connection under the shell, after a while."""

    def cut() -> None:
        time.sleep(delay)
        with suppress(OSError):
            for link in _links(shell.line):
                link.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=cut, daemon=True).start()


def _links(line: Line) -> list[socket.socket]:
    if isinstance(line, SerialLine):
        return line._ports
    return [cast(socket.socket, cast(SshLine, line).session.get_transport().sock)]


def _unplug(shell: TurnShell, delay: float) -> None:
    """Take the network cable out: nothing is closed, nothing comes any more."""
    time.sleep(delay)
    shell.watch.process.qmp.execute("set_link", {"name": "net", "up": False})


_DEEDS: dict[str, Callable[[TurnShell, float], None]] = {"cut": _cut, "unplug": _unplug}


class Witness:
    """Names the cells that are done, where no signal to the run can lose it."""

    def __init__(self, path: str, who: str) -> None:
        self.path = path
        self.who = who

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if report.when == "call" and name == CELL_PROPERTY:
                line = f"{self.who} {json.loads(str(value))['id']}\n"
                with open(self.path, "a", encoding="utf-8") as file:  # noqa: PTH123
                    file.write(line)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Last: run.json is written before a cell counts as done."""
    plan = json.loads(os.environ[PLAN])
    config = session.config
    who = "worker" if hasattr(config, "workerinput") else "controller"
    config.pluginmanager.register(Witness(plan["finished"], who))
    Saboteur(plan).install()
    targets = config.stash[SETTINGS].targets
    for name, target in list(targets.items()):
        words = (*target.qemu.append, *plan.get("append", ()))
        qemu = target.qemu.model_copy(update={"append": words})
        targets[name] = target.model_copy(update={"qemu": qemu})
