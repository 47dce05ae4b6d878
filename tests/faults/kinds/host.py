"""Harm to what the host gives: room on a disk, and memory."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.target import load_targets
from tests.faults.judge import KERNELS, exactly, never
from tests.faults.trial import Surroundings, Trial
from tests.faults.workspace import Workspace

# In a mount namespace of its own, for which nobody has to be root; what is on the small disk
# is copied to where it is looked for.
_SMALL_RESULTS = """\
mount -t tmpfs -o size=$0k none "$1"; shift
"$@"; status=$?
umask 0; cp -a "$SMALL/." "$KEPT/"; exit $status
"""
_SMALL_TEMPORARY = """\
mount -t tmpfs -o size=$0k none "$1"; shift
"$@"; status=$?
left=$(ls -A "$TMPDIR"); umount "$TMPDIR"
for name in $left; do touch "$TMPDIR/$name"; done; exit $status
"""
_NAMESPACE = ("unshare", "--map-root-user", "--mount", "sh", "-c")


def results_full(rng: random.Random, _here: Surroundings) -> Trial:
    """The disk with the results is full, sooner or later."""
    size_kib = rng.choice((rng.randint(4, 64), rng.randint(64, 600)))

    def prepare(workspace: Workspace) -> Mapping[str, str]:
        (workspace.path / "small").mkdir()
        return {"SMALL": str(workspace.path / "small"), "KEPT": str(workspace.results)}

    def before(workspace: Workspace) -> tuple[str, ...]:
        return (*_NAMESPACE, _SMALL_RESULTS, str(size_kib), str(workspace.path / "small"))

    return Trial(
        what=f"the disk with the results has {size_kib} KiB",
        prepare=prepare,
        before=before,
        results="small",
        cells=None,
        expected=never(*KERNELS),
    )


def backing_full(rng: random.Random, here: Surroundings) -> Trial:
    """The disk with the guest's files is full: its images, or what it writes to a device."""
    scenario = "device" if load_targets()[here.target].pmem is not None else "plain"
    size_kib = rng.randint(8 << 10, 140 << 10)

    def before(workspace: Workspace) -> tuple[str, ...]:
        return (*_NAMESPACE, _SMALL_TEMPORARY, str(size_kib), str(workspace.temporary))

    return Trial(
        what=f"the disk with the guest's files has {size_kib >> 10} MiB",
        before=before,
        scenario=scenario,
        cells=2 if scenario == "device" else 3,
        expected=never(*KERNELS),
    )


def host_memory(rng: random.Random, here: Surroundings) -> Trial:
    """The host has no memory for QEMU."""
    limit = rng.randint(100 << 20, 2 << 30)
    binary = load_targets()[here.target].qemu.binary
    return Trial(
        what=f"QEMU may have {limit >> 20} MiB of addresses",
        prepare=_limited_qemu(binary, limit),
        expected=exactly("infrastructure", 3),
    )


def _limited_qemu(binary: str, limit: int) -> Callable[[Workspace], Mapping[str, str]]:
    real = shutil.which(binary)

    def prepare(workspace: Workspace) -> Mapping[str, str]:
        folder = workspace.path / "qemu"
        folder.mkdir()
        wrapper = Path(folder, binary)
        limited = f'prlimit --as={limit} {real} "$@"'
        # Who asks for the version is answered.
        wrapper.write_text(f'#!/bin/sh\n[ $# -gt 1 ] || exec {real} "$@"\nexec {limited}\n')
        wrapper.chmod(0o755)
        return {"DAXHOUND_QEMU": str(folder)}

    return prepare
