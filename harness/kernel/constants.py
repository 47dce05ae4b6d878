"""Numbers that the compiler knows about a configured kernel, asked for without booting it.

The command that compiled one of the kernel's own objects is run again, on a few lines
that name the numbers; they are then read out of the object's data.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import InfrastructureError
from harness.kernel.make import Make

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import Symbol

# An object of every kernel, compiled with the flags of ordinary code.
_OBJECT = "init/main.o"
_PREFIX = "daxhound_"
_COMMAND = re.compile(r"^(?:saved)?cmd_\S+ := (.*)$", re.MULTILINE)


def compile_constants(make: Make, expressions: Mapping[str, str]) -> dict[str, int]:
    """Values of C expressions, by name; one that is no compile-time constant is missing.

    ``make`` has built the kernel. Each expression sees <linux/mm.h>; one in a macro that this
    kernel has not is missing as well. Raises InfrastructureError.
    """
    command = _saved_command(make.objects)
    compiled = make.objects / "asked-constants.o"
    done = make.compile((*command, "-o", compiled.name, "-x", "c", "-"), _program(expressions))
    if done.returncode != 0:
        raise InfrastructureError(f"the kernel's constants do not compile: {done.stderr}")
    values = _read_values(compiled)
    # Zero stands for "not constant": none of the numbers asked for can be zero.
    return {name: values[name] for name in expressions if values.get(name)}


def _program(expressions: Mapping[str, str]) -> str:
    lines = ["#include <linux/mm.h>", "#include <linux/mmzone.h>"]
    for name, expression in expressions.items():
        constant = f"__builtin_choose_expr(__builtin_constant_p({expression}), {expression}, 0)"
        definition = f"const unsigned long {_PREFIX}{name} = {constant};"
        is_macro = re.fullmatch(r"[A-Z_]+", expression)
        lines.append(f"#ifdef {expression}\n{definition}\n#endif" if is_macro else definition)
    return "\n".join(lines) + "\n"


def _saved_command(objects: Path) -> tuple[str, ...]:
    """The compiler and its flags for ordinary code, without input, output and dependencies."""
    directory, _, name = _OBJECT.rpartition("/")
    path = objects / directory / f".{name}.cmd"
    try:
        found = _COMMAND.search(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise InfrastructureError(f"{path} is missing: was the kernel built there?") from exc
    if found is None:
        raise InfrastructureError(f"{path} holds no compiler command")
    return parse_saved_command(found[1])


def parse_saved_command(text: str) -> tuple[str, ...]:
    """Compiler and flags from kbuild's record of a compilation (scripts/Kbuild.include).

    kbuild doubles dollars and writes # as $(pound); what follows a semicolon (objtool) is
    not the compiler's.
    """
    plain = text.replace("$(pound)", "#").replace("$$", "$")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words = list(lexer)
    if ";" in words:
        words = words[: words.index(";")]
    output = words.index("-o")
    flags = words[:output] + words[output + 2 :]
    return tuple(w for w in flags if not w.startswith("-Wp,-MM") and not w.endswith((".c", ".S")))


def _read_values(path: Path) -> dict[str, int]:
    """Imports as ``harness/machine/elf_sections.py`` does: a kernel is built once."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            order: Literal["little", "big"] = "little" if elf.little_endian else "big"
            symbols = elf.get_section_by_name(".symtab")
            if not isinstance(symbols, SymbolTableSection):
                raise InfrastructureError("the compiler's object has no symbols")
            return {
                symbol.name.removeprefix(_PREFIX): int.from_bytes(_data(elf, symbol), order)
                for symbol in symbols.iter_symbols()
                if symbol.name.startswith(_PREFIX)
            }
    except (ELFError, OSError) as exc:
        raise InfrastructureError(f"the compiler's object cannot be read: {exc}") from exc


def _data(elf: ELFFile, symbol: Symbol) -> bytes:
    entry = symbol.entry
    section = elf.get_section(entry["st_shndx"])
    if section["sh_type"] == "SHT_NOBITS":
        return b""
    start = entry["st_value"]
    return bytes(section.data()[start : start + entry["st_size"]])
