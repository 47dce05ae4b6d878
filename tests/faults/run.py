"""One run of the harness under pytest, harmed from outside and watched meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.faults.inside import PLAN
from tests.faults.workspace import Workspace
from tests.support.processes import heed_signals

ROOT = Path(__file__).resolve().parents[2]

_SLICE_SECONDS = 0.1
_CENSUS_SECONDS = 0.5
_END_SECONDS = 30.0


class Run:
    """A pytest process; a context manager that leaves nothing of it behind.

    ``before`` is put in front of the command, ``inside`` is what the plugin in the run does.
    """

    def __init__(
        self,
        workspace: Workspace,
        target: str,
        *,
        scenario: str = "plain",
        arguments: tuple[str, ...] = (),
        before: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        inside: Mapping[str, Any] | None = None,
    ) -> None:
        self.workspace = workspace
        self.peak_kib = 0
        self._census_due = 0.0
        command = (
            *(sys.executable, "-m", "pytest", str(workspace.scenarios / f"{scenario}.yaml")),
            *("-p", "no:cacheprovider", "-p", "tests.faults.inside", "-v"),
            *("--rootdir", str(workspace.scenarios), "--arch", target),
            *arguments,
        )
        environ = {
            **os.environ,
            "TMPDIR": str(workspace.temporary),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
            PLAN: json.dumps({**(inside or {}), "finished": str(workspace.finished)}),
        }
        with workspace.output.open("ab") as output:
            self.process = subprocess.Popen(
                (*before, *command),
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=heed_signals,
            )
        self.started = time.monotonic()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def output(self) -> str:
        return self.workspace.output.read_text(encoding="utf-8", errors="replace")

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether ``condition`` came true before the run ended or the time was over."""
        limit = time.monotonic() + seconds
        while not condition():
            self.measure()
            if self.ended or time.monotonic() > limit:
                return condition()
            time.sleep(_SLICE_SECONDS)
        return True

    def sleep(self, seconds: float) -> None:
        """Let the run go on for so long, or to its end."""
        self.wait(lambda: False, seconds)

    def wait_for_guest(self, seconds: float = 120.0) -> bool:
        return self.wait(lambda: bool(self.workspace.guests()), seconds)

    def wait_for_text(self, text: str, seconds: float = 120.0) -> bool:
        return self.wait(lambda: text in self.output, seconds)

    def wait_for_end(self, seconds: float) -> bool:
        return self.wait(lambda: self.ended, seconds)

    def settle(self) -> None:
        """Wait for what cleans up after the run is gone: xdist's workers, dying QEMUs."""
        limit = time.monotonic() + _END_SECONDS
        while any(self.workspace.left_behind()) and time.monotonic() < limit:
            time.sleep(4 * _SLICE_SECONDS)

    def measure(self) -> None:
        """Note how much memory the harness takes, QEMU and compilers apart."""
        if time.monotonic() < self._census_due:
            return
        self._census_due = time.monotonic() + _CENSUS_SECONDS
        for pid, command in self.workspace.processes().items():
            if Path(command.split(" ")[0]).name.startswith("python"):
                self.peak_kib = max(self.peak_kib, _peak_kib(pid))


def _peak_kib(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
