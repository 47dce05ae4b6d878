"""QMP, QEMU's control channel, for callers that are not asynchronous.

``qemu.qmp`` speaks asyncio. Each call here runs a private event loop until it has its
answer; in between, events wait in the socket and are read by the next call. One thread
uses a connection at a time, and none may be inside a running event loop.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import ConnectError, ExecuteError, QMPClient, QMPError
from qemu.qmp.protocol import Runstate

from harness.deadline import Deadline
from harness.errors import InfrastructureError

_Answer = TypeVar("_Answer")

_ANSWER_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_EVENT_SECONDS = 0.01
_RETRY_SECONDS = 0.002
_FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+22\b")

# Its failures are raised as ours; logged as well, they would be told twice.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class QmpEvent:
    """One event: ``seconds`` is QEMU's wall clock; ``data`` as in QEMU's QAPI schema."""

    name: str
    seconds: float
    data: Mapping[str, Any]


class Qmp:
    """One connection to one QEMU. Every failure is an InfrastructureError."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient()
        self._events: list[QmpEvent] = []

    @property
    def connected(self) -> bool:
        return self._client.runstate is Runstate.RUNNING

    def connect(self, deadline: Deadline, alive: Callable[[], bool]) -> None:
        """Connect as soon as QEMU listens; gives up when ``alive`` says that it is gone."""
        while True:
            try:
                self._wait_for_socket(deadline, alive)
                return self._run(self._client.connect(str(self._socket)), deadline)
            except (TimeoutError, ConnectError) as exc:
                if not alive() or deadline.expired:
                    message = f"no QMP connection with QEMU: {exc or 'it does not answer'}"
                    raise InfrastructureError(message) from exc
            self._loop.run_until_complete(asyncio.sleep(_RETRY_SECONDS))

    def _wait_for_socket(self, deadline: Deadline, alive: Callable[[], bool]) -> None:
        """A connection to a socket that is not there yet would be logged as an error."""
        while not self._socket.exists() and alive() and not deadline.expired:
            time.sleep(_RETRY_SECONDS)

    def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        deadline: Deadline | None = None,
    ) -> Any:
        """What QEMU returns for a command. Raises InfrastructureError for its errors too."""
        limit = deadline or Deadline.after(_ANSWER_SECONDS)
        try:
            return self._run(self._client.execute(command, arguments), limit)
        except ExecuteError as exc:
            raise InfrastructureError(f"QEMU refuses {command}: {exc}") from exc
        except TimeoutError as exc:
            raise InfrastructureError(f"QEMU does not answer {command}") from exc
        except (QMPError, EOFError, OSError) as exc:
            raise InfrastructureError(f"QMP connection lost in {command}: {exc}") from exc

    def monitor(self, line: str, deadline: Deadline | None = None) -> str:
        """The text that QEMU's human monitor prints for a command, its lines ended by newlines."""
        text = str(self.execute("human-monitor-command", {"command-line": line}, deadline))
        return text.replace("\r\n", "\n")

    def cont(self) -> None:
        """Let the guest run, from its frozen start or after a stop."""
        self.execute("cont")

    def status(self) -> str:
        """QEMU's run state: ``running``, ``prelaunch``, ``guest-panicked``, ``shutdown``..."""
        return str(self.execute("query-status")["status"])

    def memory_devices(self) -> tuple[Mapping[str, Any], ...]:
        """Every nvdimm where QEMU really put it (QAPI ``MemoryDeviceInfo``)."""
        return tuple(self.execute("query-memory-devices"))

    def ssh_port(self) -> int:
        """The loopback port that QEMU chose for the guest's port 22."""
        table = self.monitor("info usernet")
        match = _FORWARD.search(table)
        if match is None:
            raise InfrastructureError(f"no port is forwarded to the guest's ssh:\n{table}")
        return int(match[2])

    def inject_nmi(self) -> None:
        """A non-maskable interrupt on every CPU (system reset on pseries, restart on s390x)."""
        self.execute("inject-nmi")

    def events(self, wait_for_end: Deadline | None = None) -> tuple[QmpEvent, ...]:
        """Every event so far; with ``wait_for_end``, all that come until QEMU hangs up."""
        if self.connected:
            seconds = wait_for_end.remaining if wait_for_end else _EVENT_SECONDS
            self._loop.run_until_complete(
                asyncio.wait([self._loop.create_task(self._changed())], timeout=seconds)
            )
        self._events += [_event(message) for message in self._client.events.clear()]
        return tuple(self._events)

    def close(self) -> None:
        """Hang up; whatever state the connection is in. QEMU goes on."""
        if self._loop.is_closed():
            return
        try:
            if self._client.runstate is not Runstate.IDLE:
                self._run(self._client.disconnect(), Deadline.after(_CLOSE_SECONDS))
        except (TimeoutError, QMPError, EOFError, OSError):
            pass  # QEMU hung up first, which is as good
        except AssertionError:
            pass  # of qemu.qmp, about its own state, where Ctrl-C cut its connect() short
        finally:
            self._close_loop()

    def _close_loop(self) -> None:
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=_CLOSE_SECONDS))
        self._loop.close()

    async def _changed(self) -> None:
        """Return when the connection's state changes, which for a running one is its end."""
        await self._client.runstate_changed()

    def _run(self, what: Awaitable[_Answer], deadline: Deadline) -> _Answer:
        return self._loop.run_until_complete(asyncio.wait_for(what, deadline.remaining))


def _event(message: Mapping[str, Any]) -> QmpEvent:
    stamp = message.get("timestamp", {})
    seconds = stamp.get("seconds", 0) + stamp.get("microseconds", 0) / 1e6
    return QmpEvent(str(message["event"]), seconds, dict(message.get("data", {})))
