"""The kernel console: every byte kept, judged as it comes, and searched for patterns.

The console is connected before the guest runs and drained for as long as it lives:
QEMU stops a guest whose console nobody reads. Whoever waits for something else waits for
``fileno()`` too. Nothing here decides what an end or a silence means; ``watch.py`` does.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO, FileIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from pexpect import EOF, TIMEOUT
from pexpect.socket_pexpect import SocketSpawn

from harness.deadline import Deadline
from harness.errors import InfrastructureError, KernelReported
from harness.ignore import NOTHING_IGNORED, IgnoreList
from harness.observe.boots import POWER_CUT
from harness.observe.console import ConsoleReader
from harness.records import KernelReport

if TYPE_CHECKING:
    _Spawn = SocketSpawn[bytes]
else:
    _Spawn = SocketSpawn  # generic in its type stubs only

_READ_BYTES = 4096  # below the window: pexpect searches no more of one read than that
_WINDOW_BYTES = 8192  # what a pattern may span, and all that is kept for one
_PUMPED_READS = (1 << 20) // _READ_BYTES
_SLICE_SECONDS = 0.25  # between two looks at the reports while waiting for a pattern
_REPORT_SECONDS = 10.0  # the longest that a report may take to come out
_QUIET_SECONDS = 1.0  # a console silent for so long has said all it will
_AFTER_SECONDS = 0.1  # a panic follows its oops within this


class Console:
    """One guest's console; a context manager around the connection and its log."""

    def __init__(self, socket_path: Path, log: Path, ignore: IgnoreList = NOTHING_IGNORED) -> None:
        self._reader = ConsoleReader()
        self._ignore = ignore
        self._lines_before = -_lines_in(log)
        self._log_path = log
        self._log = _open_log(log)
        self._spawn = _connect(socket_path, self._take)
        self._tail = b""

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def ended(self) -> bool:
        """Whether QEMU closed the console, which it does only when it ends."""
        return self._spawn.flag_eof

    @property
    def tail(self) -> str:
        """The last 8 KiB, for messages."""
        return self._tail.decode(errors="replace")

    @property
    def reports(self) -> tuple[KernelReport, ...]:
        """Every report that is complete and not to be ignored, by the lines of the present log."""
        return tuple(
            replace(
                report,
                first_line=max(1, report.first_line - self._lines_before),
                last_line=max(1, report.last_line - self._lines_before),
            )
            for report in self._ignore.heeded(self._reader.reports)
        )

    def log_to(self, log: Path) -> None:
        """Keep what comes from now on in another file; what came is in the one before."""
        self.pump()
        before, self._log = self._log, _open_log(log)
        before.close()
        self._log_path = log
        self._lines_before = self._reader.lines

    def next_boot(self, socket_path: Path) -> Console:
        """The console of the same machine, switched off and on again, on the same log.

        A line in the log says so, from which on a kernel's first line is expected once more.
        This one must be closed.
        """
        following = Console(socket_path, self._log_path, self._ignore)
        following._reader, following._lines_before = self._reader, self._lines_before
        following._take_line(POWER_CUT.encode(), after=self._tail)
        return following

    def fileno(self) -> int:
        """The connection, to be waited for by select or poll; readable at its end too."""
        return self._spawn.fileno()

    def pump(self) -> None:
        """Take in what has already arrived, without waiting; it stays to be waited for.

        Not more than 1 MiB: a guest that says more than can be read must not be listened to
        for ever.
        """
        for _ in range(_PUMPED_READS):
            if self.ended or not _readable(self._spawn.socket, 0):
                return
            self._spawn.expect_within(0.0, TIMEOUT, EOF)

    def wait_for(self, pattern: bytes, deadline: Deadline) -> bytes | None:
        """The text that matches a regular expression, after what was matched before.

        Of what came before the call, the last 8 KiB are searched. None where the deadline
        passes or the console ends first. Raises KernelReported for a report on the way,
        even one that came with the text itself.
        """
        matched: bytes | None = None
        while matched is None and not self.ended:
            seconds = min(_SLICE_SECONDS, deadline.remaining)
            if self._spawn.expect_within(seconds, pattern, TIMEOUT, EOF) == 0:
                matched = cast(bytes, self._spawn.after)
            # Not check() unasked: what it pumps in would pass the pattern by.
            if matched is not None or self.ended or self._reports_seen():
                self.check()
            if deadline.expired:
                break
        return matched

    def check(self) -> None:
        """Raise KernelReported if the console carries a report, waiting for its end."""
        self.pump()
        if self.ended:
            self._reader.close()
        elif self._reports_seen():
            self._let_report_end()
        if reports := self.reports:
            raise KernelReported(reports)

    def drain(self, deadline: Deadline) -> None:
        """Take in what still comes: until the end, the deadline, or a second of silence."""
        while not self.ended and not deadline.expired:
            if not _readable(self._spawn.socket, min(_QUIET_SECONDS, deadline.remaining)):
                return
            self.pump()

    def send(self, data: bytes) -> None:
        """Type on the console; InfrastructureError where QEMU is gone."""
        try:
            self._spawn.send(data)
        except OSError as exc:
            raise InfrastructureError(f"the guest's console is gone: {exc}") from exc

    def close(self) -> None:
        """Keep what has arrived, and hang up; a report still open ends here.

        A disk without room for it is no error any more: what the guest was ended for counts.
        """
        try:
            with contextlib.suppress(InfrastructureError):
                self.pump()
        finally:
            self._reader.close()
            self._spawn.socket.close()
            self._log.close()

    def _reports_seen(self) -> bool:
        return self._reader.open_report is not None or bool(self.reports)

    def _let_report_end(self) -> None:
        deadline = Deadline.after(_REPORT_SECONDS)
        while self._reader.open_report is not None and not self.ended and not deadline.expired:
            if not _readable(self._spawn.socket, min(_QUIET_SECONDS, deadline.remaining)):
                break
            self.pump()
        if not self.ended and _readable(self._spawn.socket, _AFTER_SECONDS):
            self.drain(deadline)
        if self._reader.open_report is not None:
            self._reader.close()

    def _take(self, data: bytes) -> None:
        self._write_down(data)
        self._reader.feed(data)
        self._tail = (self._tail + data)[-_WINDOW_BYTES:]

    def _take_line(self, line: bytes, *, after: bytes) -> None:
        if after and not after.endswith(b"\n"):
            self._write_down(b"\n")  # the reader ended that line when its console did
        self._take(line + b"\n")

    def _write_down(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:  # the last that a disk has room for is written in part
                left = left[self._log.write(left) :]
        except OSError as exc:
            raise InfrastructureError(f"the console cannot be written down: {exc}") from exc


class _TappedSocket(_Spawn):
    """pexpect on a socket, with every byte shown to ``tap`` and its memory bounded."""

    _before: BytesIO

    def __init__(self, connection: socket.socket, tap: Callable[[bytes], None]) -> None:
        super().__init__(connection, maxread=_READ_BYTES, searchwindowsize=_WINDOW_BYTES)
        self._tap = tap
        self._until = 0.0
        self._has_read = False

    def expect_within(self, seconds: float, *patterns: bytes | type[TIMEOUT | EOF]) -> int:
        """As ``expect``, of so many seconds by a clock that nobody sets.

        pexpect goes by the time of day: set back by an hour, it would wait for that hour.
        """
        self._until = time.monotonic() + seconds
        self._has_read = False
        return self.expect(list(patterns), timeout=seconds)

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> bytes:
        """What has arrived; TIMEOUT where nothing does in the seconds asked for, EOF at the end.

        Once at least what is there is read. ``timeout`` is what pexpect takes to be left.
        """
        left = min(self._until - time.monotonic(), timeout or 0.0)
        over = left <= 0 and self._has_read
        if over or not _readable(self.socket, max(0.0, left)):
            raise TIMEOUT("nothing on the console")
        self._has_read = True
        try:
            data = self.socket.recv(size)
        except ConnectionError:
            data = b""
        if not data:
            self.flag_eof = True
            raise EOF("console closed")
        self._forget()
        self._tap(data)
        return data

    def _forget(self) -> None:
        """Drop what no pattern can reach any more: pexpect keeps all since the last match."""
        kept = self._before.getvalue()
        if len(kept) > 4 * _WINDOW_BYTES:
            self._before = BytesIO()
            self._before.write(kept[-_WINDOW_BYTES:])


def _lines_in(path: Path) -> int:
    """Lines that a log has already: of a guest that was tried before, under KVM."""
    if not path.is_file():
        return 0
    try:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(_READ_BYTES), b""))
    except OSError as exc:
        raise InfrastructureError(f"{path} cannot be read: {exc}") from exc


def _open_log(path: Path) -> FileIO:
    try:
        return path.open("ab", buffering=0)
    except OSError as exc:
        raise InfrastructureError(f"the console cannot be written down: {exc}") from exc


def _connect(path: Path, tap: Callable[[bytes], None]) -> _TappedSocket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError as exc:
        connection.close()
        raise InfrastructureError(f"no connection to the guest's console: {exc}") from exc
    return _TappedSocket(connection, tap)


def _readable(connection: socket.socket, seconds: float) -> bool:
    """Whether there is something to read, or the end; poll has no limit on descriptors."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
