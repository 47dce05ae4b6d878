"""From a built kernel and an image to a guest that runs commands, and back to nothing.

The order is what makes it sound: QEMU starts frozen, the console and QMP are connected,
and only then does the first instruction run, so that no byte and no event is missed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

from harness.command_line import (
    Accelerator,
    GuestFiles,
    render,
)
from harness.deadline import Deadline
from harness.errors import BootFailure, DaxhoundError, InfrastructureError
from harness.guest.console import Console
from harness.guest.serial import SerialShell, open_serial
from harness.guest.ssh import GuestKeys, SshShell, open_ssh
from harness.guest.watch import GuestWatch
from harness.ignore import NOTHING_IGNORED, IgnoreList
from harness.image.initrd import compose_initrd, run_archive
from harness.machine.acceleration import AccelerationMemory, is_plausible
from harness.machine.files import fix_image, make_device_files, needs_fixup
from harness.machine.opcodes import Fixup
from harness.machine.process import QemuProcess, guest_directory
from harness.machine.qmp import Qmp
from harness.machine.versions import Emulator, find_emulator
from harness.records import Layout
from harness.target import Target

READY = b"daxhound: ready"

Transport: TypeAlias = Literal["ssh", "serial"]

_BANNER = rb"Linux version [^\r\n]*"
_PROBE_SECONDS = 20.0
_STDERR_LOG = "qemu.stderr"


class State(StrEnum):
    """How far a guest has come."""

    OFF = "off"
    STARTING = "starting"  # firmware, or a kernel that has not spoken yet
    KERNEL = "kernel"
    READY = "ready"
    SHELL = "shell"


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
    transport: Transport = "ssh"
    accelerator: Accelerator | None = None  # None: KVM where it is proved, TCG elsewhere
    boot_seconds: float = 60.0
    scale: float = 1.0
    extra_arguments: tuple[str, ...] = ()
    ignore: IgnoreList = NOTHING_IGNORED


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest that runs commands, and all that a result must say of how it was started.

    ``boot_seconds`` is from the first instruction to the first shell connection, and
    ``reached_seconds`` tells when each state on that way was seen.
    """

    shell: SshShell | SerialShell
    watch: GuestWatch
    argv: tuple[str, ...]
    emulator: Emulator
    accelerator: Accelerator
    fixup: Fixup
    boot_seconds: float
    reached_seconds: Mapping[State, float]

    @property
    def console(self) -> Console:
        return self.watch.console

    @property
    def qmp(self) -> Qmp:
        return self.watch.process.qmp


@contextlib.contextmanager
def boot(request: BootRequest) -> Iterator[Guest]:
    """A guest with a shell; ended, and nothing of it left on the host, afterwards.

    Raises KernelReported for a report on the console, BootFailure where the guest resets,
    switches off, panics or hangs before its shell, InfrastructureError for the rest.
    """
    target = request.target
    emulator = find_emulator(target.qemu.binary, target.packages.qemu)
    accelerator, unproved = _choose_accelerator(request, emulator)
    with _start(request, emulator, accelerator) as starting:
        deadline = Deadline.after(request.boot_seconds * request.scale)
        starting.run_to_ready(deadline)
        if unproved is not None:
            # Only now is it known that the kernel was not to blame for the probe's end.
            _memory(request, emulator).remember(False, unproved)
        with starting.open_shell(deadline) as shell:
            yield starting.guest(shell)


@dataclass(slots=True)
class _Starting:
    """One guest on its way up."""

    request: BootRequest
    emulator: Emulator
    accelerator: Accelerator
    argv: tuple[str, ...]
    files: GuestFiles
    keys: GuestKeys
    fixup: Fixup
    watch: GuestWatch
    state: State = State.OFF
    started: float = 0.0
    reached_seconds: dict[State, float] = field(default_factory=dict)

    def run_to_ready(self, deadline: Deadline) -> None:
        """Let the guest run until its init says that it is ready."""
        self.started = time.monotonic()
        self.state = State.STARTING
        self.watch.process.qmp.cont()
        said = self._wait_for(_BANNER + rb"|" + READY, deadline)
        self._reach(State.KERNEL)
        if said != READY:
            self._wait_for(READY, deadline)
        self._reach(State.READY)

    def open_shell(
        self, deadline: Deadline
    ) -> contextlib.AbstractContextManager[SshShell | SerialShell]:
        if self.request.transport == "serial":
            return open_serial(self.files.shell_socket, self.watch)
        port = self.watch.process.qmp.ssh_port()
        return open_ssh(self.watch, port, self.keys, deadline)

    def guest(self, shell: SshShell | SerialShell) -> Guest:
        self._reach(State.SHELL)
        return Guest(
            shell=shell,
            watch=self.watch,
            argv=self.argv,
            emulator=self.emulator,
            accelerator=self.accelerator,
            fixup=self.fixup,
            boot_seconds=self.reached_seconds[State.SHELL],
            reached_seconds=dict(self.reached_seconds),
        )

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


@contextlib.contextmanager
def _start(
    request: BootRequest, emulator: Emulator, accelerator: Accelerator
) -> Iterator[_Starting]:
    """QEMU, frozen, with everything connected to it."""
    keys = GuestKeys.generate()
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(guest_directory())
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
        )
        process = stack.enter_context(QemuProcess(argv, files.qmp_socket, work / _STDERR_LOG))
        console = stack.enter_context(
            Console(files.console_socket, request.console_log, request.ignore)
        )
        aside = files.shell_socket if request.transport == "ssh" else None
        watch = GuestWatch(console, process, aside)
        yield _Starting(request, emulator, accelerator, argv, files, keys, fixup, watch)


def _prepare(
    request: BootRequest,
    emulator: Emulator,
    accelerator: Accelerator,
    keys: GuestKeys,
    work: Path,
) -> tuple[GuestFiles, Fixup]:
    """Every file of one guest in its directory: initrd, firmware variables, pmem, kernel."""
    kernel, fixup = _fixed_kernel(request, emulator, accelerator, work)
    files = GuestFiles(kernel=kernel, initrd=work / "initrd", directory=work)
    own = run_archive(keys.authorized_key, keys.host_key)
    compose_initrd(files.initrd, (own, *request.initrd))
    make_device_files(request.target, request.layout, files)
    return files, fixup


def _fixed_kernel(
    request: BootRequest, emulator: Emulator, accelerator: Accelerator, work: Path
) -> tuple[Path, Fixup]:
    """The kernel to boot: as built, or a copy that TCG can run."""
    if not needs_fixup(request.target, accelerator):
        return request.kernel, Fixup(0, 0)
    image, fixup = fix_image(request.kernel, emulator)
    if not fixup.applied:
        return request.kernel, fixup
    copy = work / "vmlinux"
    copy.write_bytes(image)
    return copy, fixup


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
        with _start(request, emulator, "kvm") as starting:
            starting.run_to_ready(Deadline.after(_PROBE_SECONDS * request.scale))
    except DaxhoundError as exc:
        return str(exc)
    return None


def _memory(request: BootRequest, emulator: Emulator) -> AccelerationMemory:
    return AccelerationMemory.of(request.store_root, emulator, request.target.qemu.cpu)
