"""What a step needs of a guest; how it is reached or switched on is not here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from harness.command_line import GuestFiles
from harness.deadline import Deadline
from harness.records import CommandRecord, Layout


class Shell(Protocol):
    """A root shell in a guest."""

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        """Run a command line by busybox sh; a failing command is a record, not an error.

        Raises KernelReported for a report on the console meanwhile, KernelFailure for a
        guest that hangs, InfrastructureError where the link is lost and the guest is well.
        """
        ...  # pragma: no cover


class Power(Protocol):
    """A guest's power switch."""

    def power_cycle(self, while_off: Callable[[GuestFiles, Layout], None]) -> Shell:
        """Cut the power, and boot from what the guest's files then hold; the new shell.

        ``while_off`` gets the files, and the layout that they were made for, while no QEMU has
        them. Raises KernelReported, KernelFailure or InfrastructureError as a first boot does.
        """
        ...  # pragma: no cover
