"""What a guest needs of its kernel: gup_test, the list of built-in drivers, and modules."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.host_packages import install_command
from harness.image import cpio
from harness.image.gup_test import build_gup_test
from harness.kernel.modules import MODULES
from harness.progress import Progress, Silence
from harness.store import Store
from harness.target import Target

if TYPE_CHECKING:
    from harness.kernel.built import BuiltKernel

OVERLAY_NAME = "overlay.cpio"

# To be counted up when the code makes another overlay of the same kernel.
_FORMAT = "1"

# Modules that stand in for hardware, and are loaded where a test wants them.
_PRETENDS = re.compile(r"_test$|^ndtest$|_mock|_test_|_translate$")


def provide_overlay(
    target: Target, kernel: BuiltKernel, store: Store, progress: Progress | None = None
) -> Path:
    """An uncompressed cpio for one kernel, made where it is new.

    Raises what ``build_gup_test`` raises, and InfrastructureError where depmod fails.
    """
    # The kernel's key holds its compiler, which is gup_test's too; what begins with it goes with
    # the kernel.
    key = f"{kernel.key}-{target.debian}-{_FORMAT}"

    def build(work: Path) -> None:
        with (
            (progress or Silence()).task(f"gup_test of {kernel.release}", "files"),
            tempfile.TemporaryDirectory(dir=work) as scratch,
        ):
            program = build_gup_test(kernel.source, target, Path(scratch), kernel.linked)
            modules = kernel_modules(
                kernel.release, kernel.modules_builtin, Path(scratch, "depmod")
            )
        entries = (cpio.file("usr/bin/gup_test", program, 0o755), *modules)
        (work / OVERLAY_NAME).write_bytes(cpio.write_archive(cpio.with_parents(entries)))

    return store.provide("guest-overlay", key, build) / OVERLAY_NAME


def kernel_modules(release: str, listing: Path, scratch: Path) -> tuple[cpio.Entry, ...]:
    """/lib/modules/<release>, as depmod indexes it, and which modules init loads.

    daxctl asks libkmod for device_dax and kmem, and libkmod knows a built-in driver from
    here only; without it, create-device and reconfigure-device fail with ENOENT.
    ``listing`` is the kernel's modules.builtin; modules.builtin.modinfo and the modules are
    taken from beside it where they are there. Raises InfrastructureError.
    """
    directory = scratch / "lib/modules" / release
    directory.mkdir(parents=True)
    # depmod warns of an absent order.
    (directory / "modules.order").touch()
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        if (listing.parent / name).is_file():
            shutil.copyfile(listing.parent / name, directory / name)
    loadable = listing.parent / MODULES
    if loadable.is_dir():
        shutil.copytree(loadable, directory, dirs_exist_ok=True)
    _depmod(scratch, release)
    return (*_files_below(directory, f"usr/lib/modules/{release}"), *_loaded_by_init(loadable))


def _files_below(directory: Path, guest_path: str) -> Iterator[cpio.Entry]:
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        yield cpio.file(f"{guest_path}/{path.relative_to(directory)}", path.read_bytes())


def _loaded_by_init(modules: Path) -> Iterator[cpio.Entry]:
    """The list of drivers, in place of udev, which loads what a new device asks for."""
    names = sorted(path.stem for path in modules.rglob("*.ko") if not _PRETENDS.search(path.stem))
    if names:
        yield cpio.file("etc/modules", "".join(f"{name}\n" for name in names).encode())


def _depmod(root: Path, release: str) -> None:
    # An ordinary user's PATH has no sbin.
    found = shutil.which("depmod") or shutil.which("depmod", path="/usr/sbin:/sbin")
    if found is None:
        raise InfrastructureError(f"depmod is missing: {install_command('kmod')}")
    try:
        subprocess.run([found, "-b", str(root), release], check=True, capture_output=True)
    except subprocess.CalledProcessError as exc:
        message = exc.stderr.decode(errors="replace").strip()
        raise InfrastructureError(f"depmod of {release} failed: {message}") from exc
