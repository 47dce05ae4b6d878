"""A guest's shell, spoken to a command at a time over a line of two streams.

One shell reads all commands: a shell for each would cost twice the time of most. Which line
it is, ssh's or the virtio-serial ports', is not known here.
"""

from __future__ import annotations

import secrets
import select
import shlex
import time
from typing import Protocol

from harness.deadline import Deadline
from harness.guest.output import MarkedStream, brief, command_record
from harness.guest.watch import GuestWatch
from harness.records import CommandRecord

_SLICE_SECONDS = 0.5
_SENDING_SLICE_SECONDS = 0.01  # what takes bytes again does not wake a poll
_CHUNK_BYTES = 32768

# In a shell of its own, which a script may leave, and with nothing to read. A command that
# dies of signal n has status 128+n.
_TURN = """\
(eval {command}) </dev/null
printf '\\n{mark} %d\\n' $?
printf '\\n{mark} 0\\n' >&2
"""


class Line(Protocol):
    """What a shell is at the other end of; ``name`` is how messages call it.

    All of it raises OSError or EOFError where the line is lost.
    """

    name: str

    def descriptors(self) -> tuple[int, ...]:
        """File descriptors that become readable when something has come."""
        ...

    def send(self, data: memoryview) -> int:
        """How many bytes were taken, 0 where none can be now."""
        ...

    def receive(self) -> tuple[bytes, bytes]:
        """A piece of what has come of stdout and of stderr, without waiting for more.

        Raises EOFError where that was nothing, and no more will come.
        """
        ...


class TurnShell:
    """Root's shell at the other end of a line, a command at a time."""

    def __init__(self, line: Line, watch: GuestWatch) -> None:
        self.line = line
        self.watch = watch

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        """Run a command by the guest's sh; the console is read and judged all the while.

        Keeps 16 MiB of each output stream, and says in it what was dropped. Raises
        KernelReported as soon as the console carries a report, KernelFailure where the
        deadline passes, InfrastructureError where the line is lost and nothing else explains
        it.
        """
        started = time.monotonic()
        mark = secrets.token_hex(8)
        output = MarkedStream(mark), MarkedStream(mark)
        turn = _TURN.format(command=shlex.quote(command), mark=mark)
        try:
            self._converse(turn.encode(), output, command, deadline)
        except (EOFError, OSError) as exc:
            what = f"{self.line.name} lost in {brief(command)}: {exc!r}"
            raise self.watch.explain_lost(what) from exc
        self.watch.check()
        stdout, stderr = output
        assert stdout.status is not None  # of a stream that has ended
        both = stdout.content, stderr.content
        return command_record(command, stdout.status, both, time.monotonic() - started)

    def _converse(
        self,
        turn: bytes,
        output: tuple[MarkedStream, MarkedStream],
        command: str,
        deadline: Deadline,
    ) -> None:
        """Say one turn, and hear the answer to its end on both streams."""
        pending = memoryview(turn)
        poll = select.poll()
        for descriptor in (*self.line.descriptors(), self.watch.console.fileno()):
            poll.register(descriptor, select.POLLIN)
        while True:
            while pending and (taken := self.line.send(pending[:_CHUNK_BYTES])):
                pending = pending[taken:]
            for stream, data in zip(output, self.line.receive(), strict=True):
                stream.add(data)
            if all(stream.status is not None for stream in output):
                return
            if deadline.expired:
                raise self.watch.explain_silence(f"{brief(command)} does not end")
            slice_seconds = _SENDING_SLICE_SECONDS if pending else _SLICE_SECONDS
            poll.poll(min(slice_seconds, deadline.remaining) * 1000)
            self.watch.check()
