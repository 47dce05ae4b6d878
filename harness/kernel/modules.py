"""Loadable modules of a kernel, and the test twins of its drivers.

tools/testing/nvdimm and tools/testing/cxl build drivers once more, with calls into the rest of
the kernel wrapped, so that nfit_test and cxl_test can pretend that there are devices. Kbuild
writes what it makes of them beside their sources, and beside those of the drivers
(``../../../drivers``); so it gets copies of both, and the source tree stays as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import KernelFailure, UserError
from harness.kconfig import Request, parse_dotconfig
from harness.kernel.build_output import copy_built, in_objects
from harness.kernel.make import Make

MODULES = "modules"
"""The folder of modules in what is kept of a kernel, as below /lib/modules/<release>."""

# ndctl's tests take drivers for test twins where they are installed here (ndctl test/core.c).
TWINS = "updates"
BUILT = "kernel"

# What each is built for, where that is a module: its own config_check.c takes no other. Before
# 6.3 cxl_test brings no memory that a dax region is made of.
_TWINS: Mapping[str, str] = {
    "tools/testing/nvdimm": "LIBNVDIMM",
    "tools/testing/cxl": "DEV_DAX_CXL",
}
# Stable kernels take changes of drivers without those of cxl_test: 7.2.13 has one, of 6.1.192
# that would not build either. It is what few of ndctl's tests need.
_MAY_FAIL = frozenset({"tools/testing/cxl"})
_DRIVERS = ("drivers/nvdimm", "drivers/dax", "drivers/acpi", "drivers/cxl")
_COPY = "daxhound-twins"
_COPIED = shutil.ignore_patterns("*.o", "*.ko", "*.cmd", "*.mod", "*.mod.c")


def has_modules(requests: Sequence[Request]) -> bool:
    """Whether a kernel with these symbols has loadable modules."""
    return any(r.symbol == "MODULES" and r.value == "y" for r in requests)


def build_twins(make: Make, jobs: int) -> None:
    """Build the test twins of drivers that are modules; the kernel's own modules are built.

    Raises UserError where the kernel has no such folder, KernelFailure where its own build left
    links out of the object tree in place of these, and what ``Make.run`` raises.
    """
    copy = make.objects / _COPY
    _remove(copy)
    dotconfig = in_objects(make.objects, ".config")
    config = parse_dotconfig(dotconfig.read_text(encoding="utf-8"))
    wanted = [name for name, symbol in _TWINS.items() if config.get(symbol) == "m"]
    if not wanted:
        return
    for name in (*_DRIVERS, *wanted):
        if not (make.source / name).is_dir():
            raise UserError(
                f"this kernel has no {name}, of which test twins of its drivers are made",
                hint="a kernel with its tools/ folder",
            )
        shutil.copytree(make.source / name, copy / name, ignore=_COPIED)
    for name in wanted:
        try:
            make.run([f"M={make.seen(copy / name)}", "modules"], jobs=jobs)
        except KernelFailure:
            if name not in _MAY_FAIL:
                raise
            shutil.rmtree(in_objects(make.objects, Path(_COPY, name)))


def keep_modules(objects: Path, into: Path) -> dict[str, bool]:
    """Put every module that was built where a guest of this kernel looks for it.

    A driver with a test twin is left out: which of two is loaded is for nobody to guess.
    Returns what is known of the kernel by that, for its facts. Raises KernelFailure for a module
    that is no file of the object tree.
    """
    twins = {path.name: path for path in sorted((objects / _COPY).rglob("*.ko"))}
    for name, path in twins.items():
        copy_built(objects, path.relative_to(objects), into / MODULES / TWINS / name)
    for path in _listed(objects):
        if path.name not in twins:
            copy_built(objects, path, into / MODULES / BUILT / path)
    return {"cxl_test": "cxl_test.ko" in twins}


def _listed(objects: Path) -> Iterator[Path]:
    """Modules of the kernel's own, by the list that its build leaves.

    Until 6.1 it has ``kernel/drivers/x.ko``, later ``drivers/x.o``.
    """
    for line in in_objects(objects, "modules.order").read_text(encoding="utf-8").split():
        yield Path(line.removeprefix("kernel/")).with_suffix(".ko")


def _remove(folder: Path) -> None:
    """What an earlier build left; where it is a link, nothing that it leads to."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
