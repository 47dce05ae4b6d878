"""gup_test as the kernel under test ships it, built statically for the guest.

The tool follows its kernel: ioctls, options and output differ between releases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.image.compiler import compile_program
from harness.kernel.make import Make, find_toolchain
from harness.share import usable_cores
from harness.target import Target

# The folder was renamed from vm to mm in 6.3.
_SELFTESTS = ("tools/testing/selftests/mm", "tools/testing/selftests/vm")
# "$(TEST_GEN_FILES): vm_util.c hugepage_settings.c": what every test there is linked with.
_COMMON_SOURCES = re.compile(
    r"^\$\((?:TEST_GEN_FILES|OUTPUT\)/gup_test)\)?\s*:(?P<sources>.*)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class GupTestSource:
    """Where a kernel tree keeps gup_test, and the files that it is linked from."""

    directory: Path
    files: tuple[Path, ...]


def find_gup_test(source: Path) -> GupTestSource:
    """gup_test in a kernel tree. Raises UserError where there is none."""
    for name in _SELFTESTS:
        main = source / name / "gup_test.c"
        if main.is_file():
            makefile = source / name / "Makefile"
            text = makefile.read_text(errors="replace") if makefile.is_file() else ""
            others = tuple(main.parent / file for file in common_sources(text))
            return GupTestSource(main.parent, (main, *others))
    raise UserError(
        f"this kernel has no gup_test.c in {' or '.join(_SELFTESTS)}",
        hint="a kernel from 5.17 on, with its tools/ folder",
    )


def common_sources(makefile: str) -> tuple[str, ...]:
    """C files that the selftests' Makefile adds to gup_test: vm_util.c and the like."""
    words = " ".join(found["sources"] for found in _COMMON_SOURCES.finditer(makefile)).split()
    return tuple(dict.fromkeys(word for word in words if re.fullmatch(r"[\w-]+\.c", word)))


def build_gup_test(
    source: Path, target: Target, scratch: Path, linked: Path | None = None
) -> bytes:
    """The program's bytes; ``scratch`` is a directory for intermediate files.

    ``linked`` is a tree that ``source`` leads to by links.

    Where helpers are linked in, the kernel's exported headers are made first: those use
    ioctls that are newer than the libc (PAGEMAP_SCAN). The tree itself is only read.
    Raises UserError where the tree has no gup_test, KernelFailure where its headers cannot
    be made, InfrastructureError where it cannot be compiled here.
    """
    found = find_gup_test(source)
    if len(found.files) > 1:
        log = scratch / "headers.log"
        make = Make(source, scratch, find_toolchain(target), log, linked=linked)
        make.run(["headers"], jobs=usable_cores())
    program = scratch / "gup_test"
    include = ["-I", str(source), "-I", str(found.directory.parent)]
    command = [f"{target.kernel.cross_compile}gcc", "-O2", "-static", "-s", *include]
    command += ["-isystem", str(scratch / "usr/include"), "-o", str(program)]
    command += [*map(str, found.files), "-lpthread"]
    compile_program(target, command, "gup_test of this kernel")
    return program.read_bytes()
