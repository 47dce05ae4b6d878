"""The kernel that a QEMU is given: as it was built, or what TCG can run, or runs faster."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from harness.command_line import Accelerator
from harness.machine.opcodes import Fixup, Wanted, fix_opcodes, wanted_fixup
from harness.machine.versions import Emulator
from harness.store import Store
from harness.target import Target

_DONE = "fixup.json"
_VMLINUX = "vmlinux"
_NOTHING_DONE = Fixup()


def provide_bootable(
    kernel: Path, target: Target, emulator: Emulator, accelerator: Accelerator, store: Store
) -> tuple[Path, Fixup]:
    """What to boot, and what was rewritten in it; a copy is made once, in the store.

    ``kernel`` is the image of a store entry, with its vmlinux beside it; the entry's key names its
    folder, and that of the copy begins with it, since both are removed together. Raises UserError
    for an image that cannot be read, and InfrastructureError where the store takes no more.
    """
    if accelerator == "tcg" and target.kernel.opcode_fixup is not None:
        return _fixed(kernel, wanted_fixup(target.kernel.opcode_fixup, emulator.version), store)
    return kernel, _NOTHING_DONE


def _fixed(kernel: Path, wanted: Wanted, store: Store) -> tuple[Path, Fixup]:
    """A copy for TCG, where something in the kernel was to be rewritten."""

    def build(directory: Path) -> None:
        vmlinux = kernel.with_name(_VMLINUX)
        image, fixup = fix_opcodes(kernel.read_bytes(), vmlinux.read_bytes(), wanted)
        if fixup.applied:
            (directory / kernel.name).write_bytes(image)
        (directory / _DONE).write_text(json.dumps(asdict(fixup)), encoding="utf-8")

    entry = store.provide("fixed-kernel", f"{kernel.parent.name}-{wanted}", build)
    fixup = Fixup(**json.loads((entry / _DONE).read_text(encoding="utf-8")))
    return (entry / kernel.name if fixup.applied else kernel), fixup
