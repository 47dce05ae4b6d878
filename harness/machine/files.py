"""The files that one QEMU is given and may change, whoever starts it."""

from __future__ import annotations

import shutil

from harness.command_line import GuestFiles, backing_file_bytes, firmware_vars_template
from harness.machine.labels import initialise_labels
from harness.records import Layout
from harness.target import Target


def make_device_files(target: Target, layout: Layout, files: GuestFiles) -> None:
    """Pmem backing files, with labels on them, and a copy of the variables that firmware keeps.

    Raises OSError.
    """
    template = firmware_vars_template(target)
    if template is not None and files.firmware is None:
        shutil.copyfile(template, files.firmware_vars)
    for index, device in enumerate(layout.pmem):
        with files.pmem_backing(index).open("wb") as backing:
            backing.truncate(backing_file_bytes(device))  # sparse: costs what is written
        if target.pmem is not None and not target.pmem.starts_labelled:
            initialise_labels(files.pmem_backing(index), device)
