"""From a built kernel and an image to a guest that runs commands, and back to nothing.

What a guest is made of is in ``assembly.py``; here it is switched on, off and on again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from harness.command_line import Accelerator, GuestFiles
from harness.deadline import Deadline
from harness.errors import DaxhoundError, InfrastructureError
from harness.guest.assembly import Assembly, BootRequest, Starting, State, Transport, assemble
from harness.guest.console import Console
from harness.guest.protocols import Shell
from harness.guest.watch import GuestWatch
from harness.machine.acceleration import AccelerationMemory, is_plausible
from harness.machine.opcodes import Fixup
from harness.machine.versions import Emulator, find_emulator
from harness.records import Layout

if TYPE_CHECKING:
    from harness.machine.qmp import Qmp

__all__ = ["BootRequest", "Guest", "State", "Transport", "boot"]

_PROBE_SECONDS = 20.0
_LAST_WORDS_SECONDS = 5.0


class Guest:
    """A guest that runs commands, and all that a result must say of how it was started.

    ``boots`` counts how often it was switched on; shell, watch and times are those of the
    present boot.
    """

    def __init__(self, assembly: Assembly) -> None:
        """Switch it on. Raises as ``boot`` does."""
        self._assembly = assembly
        self._power = contextlib.ExitStack()
        self.boots = 0
        self._switch_on()

    @property
    def shell(self) -> Shell:
        return self._shell

    @property
    def watch(self) -> GuestWatch:
        return self._starting.watch

    @property
    def console(self) -> Console:
        return self.watch.console

    @property
    def qmp(self) -> Qmp:
        return self.watch.process.qmp

    @property
    def argv(self) -> tuple[str, ...]:
        return self._assembly.argv

    @property
    def emulator(self) -> Emulator:
        return self._assembly.emulator

    @property
    def accelerator(self) -> Accelerator:
        return self._assembly.accelerator

    @property
    def fixup(self) -> Fixup:
        return self._assembly.fixup

    @property
    def reached_seconds(self) -> Mapping[State, float]:
        """When each state was seen, from the first instruction on."""
        return self._starting.reached_seconds

    @property
    def boot_seconds(self) -> float:
        """From the first instruction to the first shell connection."""
        return self.reached_seconds[State.SHELL]

    def power_cycle(self, while_off: Callable[[GuestFiles, Layout], None]) -> Shell:
        """Cut the power without a word to the guest, and boot from what its files then hold.

        ``while_off`` gets those, and the layout that they were made for, while no QEMU has
        them. Returns the new shell; whatever had the old one has lost it.

        Raises as ``boot`` does, and KernelReported for what the console still had to say of
        the boot that ended.
        """
        before = self.console
        self.watch.check()
        self.watch.process.stop()
        before.drain(Deadline.after(_LAST_WORDS_SECONDS))
        before.check()
        self._power.close()
        try:
            while_off(self._assembly.files, self._assembly.request.layout)
        except OSError as exc:
            raise InfrastructureError(f"a guest's files cannot be changed: {exc}") from exc
        self._switch_on(before)
        return self._shell

    def close(self) -> None:
        """Switch it off for good."""
        self._power.close()

    def _switch_on(self, before: Console | None = None) -> None:
        request = self._assembly.request
        with contextlib.ExitStack() as power:
            starting: Starting = power.enter_context(self._assembly.switched_on(before))
            deadline = Deadline.after(request.boot_seconds * request.scale)
            starting.run_to_ready(deadline)
            self._shell = power.enter_context(starting.open_shell(deadline))
            self._starting = starting
            self._power = power.pop_all()
        self.boots += 1


@contextlib.contextmanager
def boot(request: BootRequest) -> Iterator[Guest]:
    """A guest with a shell; ended, and nothing of it left on the host, afterwards.

    Raises KernelReported for a report on the console, BootFailure where the guest resets,
    switches off, panics or hangs before its shell, InfrastructureError for the rest.
    """
    target = request.target
    emulator = find_emulator(target.qemu.binary, target.packages.qemu)
    accelerator, unproved = _choose_accelerator(request, emulator)
    with (
        assemble(request, emulator, accelerator) as assembly,
        contextlib.closing(Guest(assembly)) as guest,
    ):
        if unproved is not None:
            # Only now is it known that the kernel was not to blame for the probe's end.
            _memory(request, emulator).remember(False, unproved)
        yield guest


def _choose_accelerator(request: BootRequest, emulator: Emulator) -> tuple[Accelerator, str | None]:
    """The accelerator, and why a probe of KVM that is still to be remembered failed."""
    if request.accelerator is not None:
        return request.accelerator, None
    if not is_plausible(request.target.arch):
        return "tcg", None
    memory = _memory(request, emulator)
    works = memory.recall()
    if works is not None:
        return ("kvm" if works else "tcg"), None
    failure = _probe_kvm(request, emulator)
    if failure is not None:
        return "tcg", failure
    memory.remember(True, "a guest came up")
    return "kvm", None


def _probe_kvm(request: BootRequest, emulator: Emulator) -> str | None:
    """Boot under KVM as far as the ready marker; why that failed, or None."""
    try:
        with assemble(request, emulator, "kvm") as assembly, assembly.switched_on() as starting:
            starting.run_to_ready(Deadline.after(_PROBE_SECONDS * request.scale))
    except DaxhoundError as exc:
        return str(exc)
    return None


def _memory(request: BootRequest, emulator: Emulator) -> AccelerationMemory:
    return AccelerationMemory.of(request.store_root, emulator, request.target.qemu.cpu)
