"""Firmware of daxhound's own, for machines whose proper one takes longer than the kernel.

It leaves a kernel with what UEFI would, and does nothing else. Under KVM the machine's own
firmware serves: there it costs little, and what QEMU copies to a guest whose caches are off is
not there for it to see.
"""

from __future__ import annotations

from pathlib import Path

from harness.image.compiler import compile_program
from harness.kernel.make import find_toolchain
from harness.store import Store, digest
from harness.target import Target

SOURCES = Path(__file__).parent
_IMAGE = "firmware"
# No library, and no access that is unaligned: there is no MMU yet.
_FLAGS = (
    *("-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pic", "-nostdlib", "-static"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-mgeneral-regs-only"),
    # Else the loops of memset and memcpy become calls of these.
    *("-fno-tree-loop-distribute-patterns", "-mstrict-align", "-Wl,--build-id=none"),
)


def provide_firmware(target: Target, store: Store) -> Path | None:
    """The image that flash begins with, built where source or compiler is new.

    None for a target that has none. Raises InfrastructureError where it cannot be
    compiled here.
    """
    name = target.qemu.own_firmware
    if name is None:
        return None
    source, script = SOURCES / f"{name}.c", SOURCES / f"{name}.ld"
    prefix, version = target.kernel.cross_compile, find_toolchain(target).version
    key = digest(prefix, version, *_FLAGS, source, script)

    def build(work: Path) -> None:
        linked = work / "linked"
        options = (*_FLAGS, f"-Wl,-T,{script}", "-o", str(linked))
        compile_program(target, [f"{prefix}gcc", *options, str(source)], name)
        flat = ["-O", "binary", str(linked), str(work / _IMAGE)]
        compile_program(target, [f"{prefix}objcopy", *flat], name)
        linked.unlink()

    return store.provide("guest-firmware", f"{name}-{key[:16]}", build) / _IMAGE
