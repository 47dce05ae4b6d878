"""A guest for a person: the canned command line, and the same on this terminal."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.campaign.provide import Needs, Provider, Provisions
from harness.command_line import (
    Accelerator,
    GuestFiles,
    backing_file_bytes,
    firmware_vars_template,
    render_interactive,
)
from harness.image import compose_initrd
from harness.machine.acceleration import AccelerationMemory
from harness.machine.bootable import provide_bootable
from harness.machine.files import make_device_files
from harness.machine.process import ends_with_parent
from harness.machine.versions import find_emulator
from harness.records import Layout
from harness.scenario.expand import Cell
from harness.scratch import scratch_directory
from harness.store import Store, digest
from harness.target import Target

PLAIN_RAM = 2 << 30
_STOP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Canned:
    """A guest ready to paste: shell lines that make its files, then QEMU's arguments."""

    preparation: tuple[str, ...]
    argv: tuple[str, ...]
    files: GuestFiles


def canned_command(
    provider: Provider,
    target: Target,
    cell: Cell | None,
    directory: Path = Path(),
    config: tuple[str, ...] = (),
) -> Canned:
    """The command line for a terminal of one's own; kernel and image are in the store.

    Backing files are named in ``directory``, the current one unless told otherwise.
    ``config`` are fragments beyond the target's own, where there is no cell that has them.
    Raises what :meth:`Provider.provide` raises.
    """
    store = provider.store
    fragments, programs = (cell.config, cell.programs) if cell else (config, ())
    provisions = provider.provide(Needs(target, fragments, programs=programs))
    emulator = find_emulator(target.qemu.binary, target.packages.qemu)
    memory = AccelerationMemory.of(store.root, emulator, target.qemu.cpu)
    accelerator: Accelerator = "kvm" if memory.recall() else "tcg"
    built = provisions.kernel.image
    bootable, _ = provide_bootable(built, target, emulator, accelerator, store)
    files = GuestFiles(
        bootable,
        _initrd(store, provisions),
        directory,
        provisions.firmware if accelerator == "tcg" else None,
    )
    layout = _layout(cell)
    argv = render_interactive(
        target,
        layout,
        files,
        emulator=emulator.version,
        accelerator=accelerator,
        binary=str(emulator.path),
        extra_arguments=cell.boot_arguments if cell else (),
    )
    return Canned(tuple(_preparation(target, layout, files)), argv, files)


def _layout(cell: Cell | None) -> Layout:
    return cell.layout if cell else Layout(PLAIN_RAM, 2)


def _initrd(store: Store, provisions: Provisions) -> Path:
    def build(directory: Path) -> None:
        compose_initrd(directory / "initrd", provisions.archives)

    key = digest("interactive", *provisions.archives)
    return store.provide("initrd", key, build) / "initrd"


def _preparation(target: Target, layout: Layout, files: GuestFiles) -> list[str]:
    lines = [
        f"truncate -s {backing_file_bytes(device)} {shlex.quote(str(files.pmem_backing(index)))}"
        for index, device in enumerate(layout.pmem)
    ]
    template = firmware_vars_template(target)
    if template is not None and files.firmware is None:
        lines.append(shlex.join(["cp", str(template), str(files.firmware_vars)]))
    return lines


def run_interactive(
    provider: Provider, target: Target, cell: Cell | None, config: tuple[str, ...], ending: str
) -> int:
    """Run the guest on this terminal until it is powered off; QEMU's exit code.

    ``ending`` is what a person is told before it starts: how it is left.
    """
    with scratch_directory("shell") as directory:
        canned = canned_command(provider, target, cell, directory, config)
        make_device_files(target, _layout(cell), canned.files)
        provider.progress.line(f"{target.name}: {ending}")
        return _run_here(canned.argv)


def _run_here(argv: tuple[str, ...]) -> int:
    """QEMU on this terminal, to its end; it ends with the harness, however that does.

    By SIGTERM, at which QEMU gives the terminal back as it was.
    """
    with subprocess.Popen(ends_with_parent(argv, "TERM")) as qemu:
        try:
            return qemu.wait()
        except BaseException:
            qemu.terminate()
            try:
                qemu.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                qemu.kill()
            raise
