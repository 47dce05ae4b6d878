"""What one guest is made of, and how it is switched on: kernel, files, command line, keys.

The order is what makes it sound: QEMU starts frozen, the console and QMP are connected,
and only then does the first instruction run, so that no byte and no event is missed. The
files stay when it is switched off, and it boots again from what they then hold.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.command_line import Accelerator, GuestFiles, render
from harness.deadline import Deadline
from harness.errors import BootFailure, InfrastructureError
from harness.guest.console import Console
from harness.guest.protocols import Shell
from harness.guest.serial import SerialLine, open_serial
from harness.guest.watch import GuestWatch
from harness.ignore import NOTHING_IGNORED, IgnoreList
from harness.image.initrd import compose_initrd, run_archive
from harness.machine.bootable import provide_bootable
from harness.machine.files import make_device_files
from harness.machine.opcodes import Fixup
from harness.machine.process import QemuProcess, guest_directory
from harness.machine.versions import Emulator
from harness.records import Layout
from harness.store import Store
from harness.target import Target

if TYPE_CHECKING:
    from harness.guest.keys import GuestKeys

READY = b"daxhound: ready"

Transport: TypeAlias = Literal["ssh", "serial"]

_STDERR_LOG = "qemu.stderr"


class State(StrEnum):
    """How far a guest has come."""

    OFF = "off"
    STARTING = "starting"  # firmware, or a kernel that has not spoken yet
    KERNEL = "kernel"
    INIT = "init"
    READY = "ready"
    SHELL = "shell"


# What shows that a state is reached (init/main.c: start_kernel, run_init_process). The second is
# said by kernels that are as talkative as they are by themselves.
_SHOWN_BY = {
    State.KERNEL: rb"Linux version [^\r\n]*",
    State.INIT: rb"Run /init as init process",
    State.READY: READY,
}


@dataclass(frozen=True, slots=True)
class BootRequest:
    """What to start. ``kernel`` is the built image; ``initrd`` cpio archives, the
    uncompressed ones first; ``console_log`` is appended to; ``store_root`` remembers what was
    found out about the host; reports that ``ignore`` covers are none. ``boot_seconds`` times
    ``scale`` is the deadline for a shell.
    """

    target: Target
    layout: Layout
    kernel: Path
    initrd: tuple[Path, ...]
    console_log: Path
    store_root: Path
    firmware: Path | None = None  # what takes the place of the target's under TCG
    transport: Transport = "serial"
    accelerator: Accelerator | None = None  # None: KVM where it is proved, TCG elsewhere
    boot_seconds: float = 60.0
    scale: float = 1.0
    extra_arguments: tuple[str, ...] = ()
    ignore: IgnoreList = NOTHING_IGNORED


@dataclass(slots=True)
class Starting:
    """One guest on its way up; ``reached_seconds`` tells when each state was seen.

    ``line`` is what its shell is reached by: the ports, or the keys for ssh.
    """

    watch: GuestWatch
    line: SerialLine | GuestKeys
    state: State = State.OFF
    started: float = 0.0
    reached_seconds: dict[State, float] = field(default_factory=dict)

    def run_to_ready(self, deadline: Deadline) -> None:
        """Let the guest run until its init says that it is ready."""
        self.started = time.monotonic()
        self.state = State.STARTING
        self.watch.process.qmp.cont()
        if not isinstance(self.line, SerialLine):
            threading.Thread(target=_import_ssh, daemon=True).start()
        while self.state is not State.READY:
            said = self._wait_for(b"|".join(_SHOWN_BY.values()), deadline)
            self._reach(next(s for s, shown in _SHOWN_BY.items() if re.fullmatch(shown, said)))

    @contextlib.contextmanager
    def open_shell(self, deadline: Deadline) -> Iterator[Shell]:
        """The first connection of its shell."""
        with self._open_shell(deadline) as shell:
            self._reach(State.SHELL)
            yield shell

    def _open_shell(self, deadline: Deadline) -> contextlib.AbstractContextManager[Shell]:
        if isinstance(self.line, SerialLine):
            return open_serial(self.line, self.watch, deadline)
        port = self.watch.process.qmp.ssh_port()
        return _import_ssh()(self.watch, port, self.line, deadline)

    def _reach(self, state: State) -> None:
        self.state = state
        self.reached_seconds[state] = time.monotonic() - self.started

    def _wait_for(self, pattern: bytes, deadline: Deadline) -> bytes:
        found = self.watch.console.wait_for(pattern, deadline)
        if found is not None:
            return found
        where = f"boot stopped in state {self.state!s}"
        if self.watch.console.ended:
            raise self.watch.explain_end(where, BootFailure)
        seconds = time.monotonic() - self.started
        raise self.watch.explain_silence(f"{where}, for {seconds:.1f} s", BootFailure)


def _import_ssh() -> Callable[
    [GuestWatch, int, GuestKeys, Deadline], contextlib.AbstractContextManager[Shell]
]:
    """``open_ssh``, whose library takes as long to import as a third of a boot."""
    from harness.guest.ssh import open_ssh

    return open_ssh


@dataclass(frozen=True, slots=True)
class Assembly:
    """All that a guest keeps while it is off."""

    request: BootRequest
    emulator: Emulator
    accelerator: Accelerator
    argv: tuple[str, ...]
    files: GuestFiles
    keys: GuestKeys | None
    fixup: Fixup

    @contextlib.contextmanager
    def switched_on(self, before: Console | None = None) -> Iterator[Starting]:
        """QEMU, frozen, with everything connected to it; ended afterwards.

        ``before`` is the console of the boot before this one.
        """
        request, files = self.request, self.files
        with contextlib.ExitStack() as stack:
            log = files.directory / _STDERR_LOG
            process = stack.enter_context(
                QemuProcess(self.argv, files.qmp_socket, log, request.scale)
            )
            socket = files.console_socket
            console = stack.enter_context(
                before.next_boot(socket)
                if before
                else Console(socket, request.console_log, request.ignore)
            )
            watch = GuestWatch(console, process, files.port_socket("aside"), request.scale)
            yield Starting(watch, self.keys or stack.enter_context(_ports(files)))


def _ports(files: GuestFiles) -> contextlib.closing[SerialLine]:
    line = SerialLine(files.port_socket("commands"), files.port_socket("errors"))
    return contextlib.closing(line)


@contextlib.contextmanager
def assemble(
    request: BootRequest, emulator: Emulator, accelerator: Accelerator
) -> Iterator[Assembly]:
    """A guest that is off, with everything made that it starts from; removed afterwards."""
    keys = _new_keys() if request.transport == "ssh" else None
    with guest_directory() as work:
        try:
            files, fixup = _prepare(request, emulator, accelerator, keys, work)
        except OSError as exc:
            raise InfrastructureError(f"a guest's files cannot be made: {exc}") from exc
        argv = render(
            request.target,
            request.layout,
            files,
            emulator=emulator.version,
            accelerator=accelerator,
            binary=str(emulator.path),
            extra_arguments=request.extra_arguments,
            ssh=keys is not None,
        )
        yield Assembly(request, emulator, accelerator, argv, files, keys, fixup)


def _new_keys() -> GuestKeys:
    """Imported here: where ports do, nobody waits for a library of ciphers."""
    from harness.guest.keys import GuestKeys

    return GuestKeys.generate()


def _prepare(
    request: BootRequest,
    emulator: Emulator,
    accelerator: Accelerator,
    keys: GuestKeys | None,
    work: Path,
) -> tuple[GuestFiles, Fixup]:
    """The kernel, and every file of the guest's own: initrd, firmware variables, pmem."""
    store = Store(request.store_root)
    kernel, fixup = provide_bootable(request.kernel, request.target, emulator, accelerator, store)
    firmware = request.firmware if accelerator == "tcg" else None
    files = GuestFiles(kernel, work / "initrd", work, firmware)
    own = [run_archive(keys.authorized_key, keys.host_key)] if keys else []
    compose_initrd(files.initrd, (*own, *request.initrd))
    make_device_files(request.target, request.layout, files)
    return files, fixup
