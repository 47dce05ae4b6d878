"""daxprobe, the project's own program in the guest, as a cpio of its own.

It follows its source and its compiler, not the kernel, so that a new kernel does not cost
a build of it, nor a change of it one of gup_test.
"""

from __future__ import annotations

from pathlib import Path

from harness.image import cpio
from harness.image.compiler import compile_program
from harness.kernel.make import find_toolchain
from harness.store import Store, digest
from harness.target import Target

SOURCE = Path(__file__).parent / "daxprobe.c"
GUEST_PATH = "usr/bin/daxprobe"
_ARCHIVE = "daxprobe.cpio"
_FLAGS = ("-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror")


def provide_daxprobe(target: Target, store: Store) -> Path:
    """An uncompressed cpio of the program, built where source or compiler is new.

    Raises InfrastructureError where it cannot be compiled here.
    """
    version = find_toolchain(target).version
    key = digest(target.kernel.cross_compile, version, *_FLAGS, SOURCE)

    def build(work: Path) -> None:
        program = work / "daxprobe"
        compiler = f"{target.kernel.cross_compile}gcc"
        compile_program(target, [compiler, *_FLAGS, "-o", str(program), str(SOURCE)], "daxprobe")
        entry = cpio.file(GUEST_PATH, program.read_bytes(), 0o755)
        program.unlink()
        (work / _ARCHIVE).write_bytes(cpio.write_archive(cpio.with_parents((entry,))))

    return store.provide("guest-daxprobe", f"{target.debian}-{key[:16]}", build) / _ARCHIVE
