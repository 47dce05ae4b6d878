"""Programs in the guest beside Debian's own, each as a cpio of its own.

They follow their source and their compiler, not the kernel, so that a new kernel does not
cost a build of them, nor a change of one a build of gup_test. init and daxprobe are in every
guest; a step that needs another program names it (``Step.programs``), and its guest gets that
as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from harness.errors import InfrastructureError
from harness.image import cpio
from harness.image.compiler import compile_program
from harness.image.libraries import provide_libraries
from harness.image.ndctl_suite import provide_ndctl_suite
from harness.kernel.make import find_toolchain
from harness.progress import Progress
from harness.records import KernelFacts
from harness.store import Store, digest
from harness.target import Target

SOURCES = Path(__file__).parent
_SHARED = SOURCES / "probe.h"
_OF_DAXPROBE = tuple(SOURCES / f"{name}.h" for name in ("measure", "files", "reach", "words"))
_FLAGS = ("-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror")
_VERBS = ("libibverbs.a", "librxe-*.a", "libnl-route-3.a", "libnl-3.a")

# What glibc's headers from 2.38 on make of calls, and a C library of before lacks. The two differ
# in binary numbers ("0b1") alone. Libraries of a target's own suite may be newer than the C
# library of the host's cross compiler.
_FROM_NEWER_HEADERS = {
    f"__isoc23_{name}": name for name in ("fscanf", "sscanf", "strtol", "strtoul")
}

Provide: TypeAlias = Callable[[Target, Store, Progress], Path]


def provide_init(target: Target, store: Store) -> Path:
    """An uncompressed cpio of the guest's process 1, as ``provide_daxprobe`` makes one.

    Raises InfrastructureError where it cannot be compiled here.
    """
    return _provide("init", target, store, place="init", headers=())


def provide_daxprobe(target: Target, store: Store) -> Path:
    """An uncompressed cpio of daxprobe, built where source or compiler is new.

    Raises InfrastructureError where it cannot be compiled here.
    """
    return _provide("daxprobe", target, store, headers=(_SHARED, *_OF_DAXPROBE))


def provide_rdmaprobe(target: Target, store: Store, progress: Progress) -> Path:
    """The same of rdmaprobe, with libibverbs and its provider for soft RoCE linked in.

    Raises InfrastructureError where it cannot be compiled, or its libraries not be fetched.
    """
    root = provide_libraries(target, store, progress)
    include = root / "usr/include"
    options = ["-DRDMA_STATIC_PROVIDERS=rxe", f"-isystem{include}", f"-isystem{include}/libnl3"]
    found = [str(path) for name in _VERBS for path in root.glob(f"usr/lib/*/{name}")]
    if len(found) < len(_VERBS):
        raise InfrastructureError(f"not all of {', '.join(_VERBS)} are in {root}")
    if target.suite is not None:
        options += [f"-Wl,--defsym={name}={plain}" for name, plain in _FROM_NEWER_HEADERS.items()]
    # libibverbs and its providers call each other.
    group = ["-Wl,--start-group", *found, "-Wl,--end-group"]
    return _provide("rdmaprobe", target, store, options, group, made_of=(root.name,))


@dataclass(frozen=True, slots=True)
class ExtraProgram:
    """A program that only guests of some scenarios have.

    ``module`` is a symbol of the driver that must be a module for it to be of any use.
    """

    provide: Provide
    module: str | None = None

    def is_of_use(self, kernel: KernelFacts) -> bool:
        """Whether a guest of this kernel could run it."""
        return self.module is None or kernel.config.get(self.module) == "m"


EXTRA_PROGRAMS: Mapping[str, ExtraProgram] = MappingProxyType(
    {
        "ndctl-suite": ExtraProgram(provide_ndctl_suite, module="LIBNVDIMM"),
        "rdmaprobe": ExtraProgram(provide_rdmaprobe),
    }
)


def _provide(
    name: str,
    target: Target,
    store: Store,
    options: Iterable[str] = (),
    libraries: Iterable[str] = (),
    made_of: tuple[str, ...] = (),
    place: str | None = None,
    headers: tuple[Path, ...] = (_SHARED,),
) -> Path:
    """``made_of`` names what options and libraries point to, wherever the store is.

    ``place`` is where the guest has it, if not among its commands. ``headers`` are those of
    this project that its source has.
    """
    source = SOURCES / f"{name}.c"
    version = find_toolchain(target).version
    key = digest(target.kernel.cross_compile, version, *_FLAGS, *made_of, source, *headers)
    archive = f"{name}.cpio"

    def build(work: Path) -> None:
        program = work / name
        compiler = f"{target.kernel.cross_compile}gcc"
        command = [compiler, *_FLAGS, *options, "-o", str(program), str(source), *libraries]
        compile_program(target, command, name)
        entry = cpio.file(place or f"usr/bin/{name}", program.read_bytes(), 0o755)
        program.unlink()
        (work / archive).write_bytes(cpio.write_archive(cpio.with_parents((entry,))))

    return store.provide(f"guest-{name}", f"{target.debian}-{key[:16]}", build) / archive
