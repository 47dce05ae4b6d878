"""Libraries that are loaded and never called, and what a guest has in place of them.

A program's start under TCG is mostly the loading of its libraries, and of those a big one
that only another library asks for, for a function that nobody calls here, can be half. What
stands in for it has its name and its versions and no function: a call of one ends the program
with the name of what is missing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.image.compiler import compile_program
from harness.kernel.make import find_toolchain
from harness.store import digest
from harness.target import Target

# A version exists only with a symbol that has it.
_SOURCE = "const char daxhound_stand_in[] = {name};\n"
_VERSIONS = "{version} {{ global: daxhound_stand_in; }};\n"
_FLAGS = ("-shared", "-nostdlib", "-fPIC", "-O2", "-s", "-Wall", "-Wextra", "-Werror")


def stand_in_key(target: Target, libraries: Mapping[str, str]) -> str:
    """What the libraries of ``build_stand_in`` are made of, as one word."""
    listed = [word for library in sorted(libraries.items()) for word in library]
    compiler = find_toolchain(target).version
    return digest(_SOURCE, _VERSIONS, *_FLAGS, target.kernel.cross_compile, compiler, *listed)


def build_stand_in(target: Target, name: str, version: str) -> bytes:
    """A shared library for the target's guests: its soname, and the version of its symbols.

    Raises InfrastructureError where it cannot be compiled here.
    """
    with tempfile.TemporaryDirectory(prefix="daxhound-stand-in-") as scratch:
        source, versions, library = (Path(scratch, file) for file in ("it.c", "it.map", "it.so"))
        source.write_text(_SOURCE.format(name=f'"{name}"'), encoding="utf-8")
        versions.write_text(_VERSIONS.format(version=version), encoding="utf-8")
        command = [f"{target.kernel.cross_compile}gcc", *_FLAGS, f"-Wl,-soname,{name}"]
        command += [f"-Wl,--version-script={versions}", "-o", str(library), str(source)]
        compile_program(target, command, f"the stand-in for {name}")
        return library.read_bytes()
