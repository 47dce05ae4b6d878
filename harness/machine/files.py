"""The files that one QEMU is given and may change, whoever starts it."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.command_line import (
    Accelerator,
    GuestFiles,
    backing_file_bytes,
    firmware_vars_template,
)
from harness.machine.opcodes import BARRIERS_SINCE, Fixup, fix_opcodes
from harness.machine.versions import Emulator
from harness.records import Layout
from harness.target import Target


def make_device_files(target: Target, layout: Layout, files: GuestFiles) -> None:
    """Empty pmem backing files, and the guest's own copy of the firmware's variables.

    Raises OSError.
    """
    template = firmware_vars_template(target)
    if template is not None:
        shutil.copyfile(template, files.firmware_vars)
    for index, device in enumerate(layout.pmem):
        with files.pmem_backing(index).open("wb") as backing:
            backing.truncate(backing_file_bytes(device))  # sparse: costs what is written


def needs_fixup(target: Target, accelerator: Accelerator) -> bool:
    """Whether the target's kernels have instructions that only KVM runs."""
    return accelerator == "tcg" and target.kernel.opcode_fixup is not None


def fix_image(kernel: Path, emulator: Emulator) -> tuple[bytes, Fixup]:
    """The kernel's bytes as this QEMU's TCG can run them; the file stays as it is."""
    return fix_opcodes(kernel.read_bytes(), barriers=emulator.version[:2] < BARRIERS_SINCE)
