"""QEMU as a child process that cannot outlive the harness, and the directory it works in.

However the harness ends - normally, by an exception, Ctrl-C, SIGTERM, even kill -9 - QEMU
ends with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from harness.command_line import SOCKETS
from harness.deadline import Deadline
from harness.errors import InfrastructureError
from harness.machine.stops import wait_for_end
from harness.observe.vmstat import parse_vmstat
from harness.scratch import scratch_directory

if TYPE_CHECKING:
    from harness.machine.qmp import Qmp

_SOCKET_PATH_BYTES = 107  # sun_path of unix(7), less its closing NUL
_LONGEST_SOCKET_NAME = max(len(f"/{name}") for name in SOCKETS)
_START_SECONDS = 30.0
_STOP_SECONDS = 3.0
_QUOTED_CHARACTERS = 4000


class QemuProcess:
    """One QEMU, started frozen, with its QMP connection; a context manager.

    ``argv`` must hold ``-S`` and serve QMP at ``qmp_socket``. stderr goes to ``stderr_log``.
    ``scale`` multiplies the time that QEMU has to do so.
    """

    def __init__(
        self, argv: tuple[str, ...], qmp_socket: Path, stderr_log: Path, scale: float = 1.0
    ) -> None:
        self.argv = argv
        self._qmp_socket = qmp_socket
        self._qmp: Qmp | None = None
        self._stderr_log = stderr_log
        self._start_seconds = _START_SECONDS * scale
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._oom_kills = _oom_kills()
        self._driver = threading.get_ident()
        self._started = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="qemu-keeper", daemon=True)

    def __enter__(self) -> QemuProcess:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def qmp(self) -> Qmp:
        """The connection to a QEMU that was started."""
        if self._qmp is None:
            raise ValueError("QEMU was not started")
        return self._qmp

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._keeper.is_alive()

    def exit_status(self, deadline: Deadline) -> int | None:
        """QEMU's exit status, -n for signal n; None if it still runs at the deadline."""
        self._keeper.join(deadline.remaining)
        return self._process.returncode if self._process and not self.alive else None

    def ending(self, status: int | None) -> str:
        """A status of :meth:`exit_status` in words, with what the host knows about it."""
        if status is None or status >= 0:
            return f"status {status}"
        killed = _oom_kills() - self._oom_kills
        free = shutil.disk_usage(self._stderr_log.parent).free
        return explain_signal(-status, oom_kills=killed, free_bytes=free)

    def stderr(self) -> str:
        """The end of what QEMU wrote to stderr."""
        if not self._stderr_log.exists():
            return ""
        text = self._stderr_log.read_text(encoding="utf-8", errors="replace")
        return text[-_QUOTED_CHARACTERS:].strip()

    def stop(self) -> None:
        """End QEMU: asked by QMP, then SIGTERM, then SIGKILL; nothing where it has ended."""
        try:
            if self.alive and self._qmp is not None and self._qmp.connected:
                with contextlib.suppress(InfrastructureError):
                    self._qmp.execute("quit", deadline=Deadline.after(_STOP_SECONDS))
                    self._keeper.join(_STOP_SECONDS)
        finally:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGKILL)
            if self._qmp is not None:
                self._qmp.close()

    def _start(self) -> None:
        self._keeper.start()
        self._started.wait()
        if self._failure is not None:
            message = f"{self.argv[0]} cannot be started: {self._failure}"
            raise InfrastructureError(message) from self._failure
        # Its asyncio takes as long to import as QEMU takes to listen.
        from harness.machine.qmp import Qmp

        self._qmp = Qmp(self._qmp_socket)
        try:
            self._qmp.connect(Deadline.after(self._start_seconds), lambda: self.alive)
        except InfrastructureError as exc:
            status = self.exit_status(Deadline.after(_STOP_SECONDS))
            ended = "hangs" if status is None else f"ended with status {status}"
            message = f"QEMU {ended} before the guest could start: {self.stderr()}"
            raise InfrastructureError(message) from exc

    def _keep(self) -> None:
        """Thread that starts QEMU and lives as long: the death signal is tied to it."""
        try:
            with self._stderr_log.open("wb") as log:
                self._process = subprocess.Popen(
                    ends_with_parent(self.argv, "KILL"),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C in the terminal is for the harness
                )
        except OSError as exc:
            self._failure = exc
            return
        finally:
            self._started.set()
        wait_for_end(self._process, self._driver)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None or not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        self._keeper.join(_STOP_SECONDS)


def ends_with_parent(argv: Sequence[str], signal_name: str) -> tuple[str, ...]:
    """A command that is sent a signal, such as ``KILL``, when the thread that starts it ends.

    setpriv sets PR_SET_PDEATHSIG between fork and exec, where Python code would not
    be safe in a process with threads. prctl(2): "parent" is the thread that forked.
    """
    return ("setpriv", "--pdeathsig", signal_name, "--", *argv)


def explain_signal(number: int, *, oom_kills: int, free_bytes: int) -> str:
    """A signal that ended QEMU, and what that may be about: killed, or out of disk."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number == signal.SIGKILL and oom_kills > 0:
        return f"{name}; the host ran out of memory meanwhile and killed {oom_kills}"
    if number == signal.SIGKILL:
        return f"{name}, sent from outside"
    if number == signal.SIGBUS:
        return f"{name}: no room for the guest's files, {free_bytes >> 10} KiB are free"
    return name


def _oom_kills() -> int:
    """How many processes the host's kernel has killed for their memory so far."""
    try:
        counters = parse_vmstat(Path("/proc/vmstat").read_text(encoding="ascii"))
    except OSError:
        return 0
    return counters.get("oom_kill", 0)


@contextlib.contextmanager
def guest_directory() -> Iterator[Path]:
    """A directory for one guest.

    Raises InfrastructureError where none can be made, or the temporary directory's path is too
    long for the unix sockets in it.
    """
    with contextlib.ExitStack() as stack:
        try:
            directory = stack.enter_context(scratch_directory("guest"))
        except OSError as exc:
            raise InfrastructureError(f"no directory can be made for a guest: {exc}") from exc
        if len(os.fsencode(directory)) + _LONGEST_SOCKET_NAME > _SOCKET_PATH_BYTES:
            parent = directory.parent
            raise InfrastructureError(f"{parent} is too long a path for sockets: set TMPDIR")
        yield directory
