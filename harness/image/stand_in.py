"""Libraries that are loaded and never called, and what a guest has in place of them.

A program's start under TCG is mostly the loading of its libraries, and of those a big one
that only another library asks for, for functions that nobody calls here, can be half. What
stands in for it has its name, its versions and the functions that are asked for, each of
which ends the program with a word of who was called.
"""

from __future__ import annotations

import io
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.image import cpio
from harness.image.compiler import compile_program
from harness.kernel.make import find_toolchain
from harness.store import digest
from harness.target import Target

_HEAD = """\
#include <stdio.h>
#include <stdlib.h>

#define STAND_IN(name) \\
	void name(void) \\
	{ \\
		fputs(#name " is not in the guest (daxhound_stand_in)\\n", stderr); \\
		abort(); \\
	}
"""
_FLAGS = ("-shared", "-fPIC", "-fno-builtin", "-O2", "-s", "-Wall", "-Werror")


def stand_in_key(target: Target) -> str:
    """What decides of ``build_stand_in`` beside the libraries, as one word."""
    compiler = find_toolchain(target).version
    return digest(_HEAD, *_FLAGS, target.kernel.cross_compile, compiler)


def build_stand_in(target: Target, soname: str, askers: Iterable[cpio.Entry]) -> bytes:
    """A library of that name for the target's guests, with all that these ELF files ask of it.

    Raises InfrastructureError where it cannot be compiled here.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for asker in askers:
        for version, name in _asked_of(soname, asker.data):
            wanted[version].add(name)
    with tempfile.TemporaryDirectory(prefix="daxhound-stand-in-") as scratch:
        source, versions, library = (Path(scratch, file) for file in ("it.c", "it.map", "it.so"))
        source.write_text(_source(wanted), encoding="utf-8")
        versions.write_text(_version_script(wanted), encoding="utf-8")
        command = [f"{target.kernel.cross_compile}gcc", *_FLAGS, f"-Wl,-soname,{soname}"]
        command += [f"-Wl,--version-script={versions}", "-o", str(library), str(source)]
        compile_program(target, command, f"the stand-in for {soname}")
        return library.read_bytes()


def _source(wanted: Mapping[str, set[str]]) -> str:
    names = sorted(name for names in wanted.values() for name in names)
    return _HEAD + "".join(f"STAND_IN({name})\n" for name in names)


def _version_script(wanted: Mapping[str, set[str]]) -> str:
    return "".join(
        f"{version} {{ global: {' '.join(f'{name};' for name in sorted(names))} }};\n"
        for version, names in sorted(wanted.items())
    )


def _asked_of(soname: str, elf: bytes) -> Iterator[tuple[str, str]]:
    """Version and name of each symbol that an ELF file has of a library.

    Imports as ``packages.loads`` does.
    """
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
    from elftools.elf.sections import SymbolTableSection

    file = ELFFile(io.BytesIO(elf))
    needs = file.get_section_by_name(".gnu.version_r")
    numbers = file.get_section_by_name(".gnu.version")
    symbols = file.get_section_by_name(".dynsym")
    if not (
        isinstance(needs, GNUVerNeedSection)
        and isinstance(numbers, GNUVerSymSection)
        and isinstance(symbols, SymbolTableSection)
    ):
        return
    versions = {
        auxiliary["vna_other"]: auxiliary.name
        for need, auxiliaries in needs.iter_versions()
        if need.name == soname
        for auxiliary in auxiliaries
    }
    for index, symbol in enumerate(symbols.iter_symbols()):
        version = versions.get(numbers.get_symbol(index)["ndx"])
        if version is not None:
            yield version, symbol.name
