"""The sections of an ELF file: where a kernel's code is in the file, and at which address."""

from __future__ import annotations

import io
from dataclasses import dataclass


class NoElfError(ValueError):
    """What was read is no ELF file, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Section:
    """``offset`` is its place in the file, ``address`` that of the running kernel."""

    name: str
    address: int
    offset: int
    size: int
    executable: bool

    @property
    def end(self) -> int:
        """Where it ends in the file."""
        return self.offset + self.size

    def offset_of(self, address: int, size: int) -> int | None:
        """Where so many bytes of an address are in the file, if all of them are in here."""
        at = address - self.address
        return self.offset + at if 0 <= at <= self.size - size else None


@dataclass(frozen=True, slots=True)
class ElfFile:
    """Its byte order, and the sections that it has bytes for."""

    little_endian: bool
    sections: tuple[Section, ...]

    @property
    def code(self) -> tuple[Section, ...]:
        """What is executed."""
        return tuple(section for section in self.sections if section.executable)


def read_elf(image: bytes) -> ElfFile:
    """Raises NoElfError.

    elftools takes as long to import as pydantic, and a kernel is read once.
    """
    from elftools.common.exceptions import ELFError
    from elftools.construct import ConstructError
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(image))
        sections = tuple(
            Section(
                section.name,
                section["sh_addr"],
                section["sh_offset"],
                section["sh_size"],
                bool(section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR),
            )
            for section in elf.iter_sections()
            if section["sh_type"] != "SHT_NOBITS"
        )
    except (ELFError, ConstructError, ValueError, OverflowError) as exc:
        raise NoElfError(str(exc)) from exc
    for section in sections:
        if section.end > len(image):
            raise NoElfError(f"its section {section.name} is cut short")
    return ElfFile(bool(elf.little_endian), sections)
