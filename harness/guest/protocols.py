"""What a step needs of a guest; how it is reached (ssh, a serial port, a script) is not here."""

from __future__ import annotations

from typing import Protocol

from harness.deadline import Deadline
from harness.records import CommandRecord


class Shell(Protocol):
    """A root shell in a guest."""

    def run(self, command: str, deadline: Deadline, stdin: bytes | None = None) -> CommandRecord:
        """Run a command line by busybox sh; a failing command is a record, not an error.

        Raises KernelReported for a report on the console meanwhile, KernelFailure for a
        guest that hangs, InfrastructureError where the link is lost and the guest is well.
        """
        ...  # pragma: no cover
