"""The ppc64 opcode fix-up, on ELF files made here: one section of code, one of data."""

from __future__ import annotations

import struct
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.machine.opcodes_ppc64 import rewrite_flushes
from tests.support import elf_files
from tests.support.elf_files import ElfSection

DCBSTPS, DCBFPS = 0x7CC000AC, 0x7C8000AC
DCBF = 0x7C0000AC
DCBFL, DCBFLP = 0x7C2000AC, 0x7C6000AC  # L = 1 and 3, which TCG knows
PHWSYNC, PLWSYNC, SYNC, LWSYNC = 0x7C8004AC, 0x7CA004AC, 0x7C0004AC, 0x7C2004AC
RB_31, RA_5 = 31 << 11, 5 << 16
PPC64LE, WRITABLE = 21, 0x3

Order = Literal["<", ">"]


def make_elf(code: bytes, data: bytes = b"", order: Order = "<") -> bytes:
    sections = (ElfSection(".text", code), ElfSection(".data", data, WRITABLE))
    return elf_files.make_elf(*sections, order=order, machine=PPC64LE)


def words(*values: int, order: Order = "<") -> bytes:
    return b"".join(struct.pack(order + "I", value) for value in values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("word", [DCBSTPS, DCBFPS])
@pytest.mark.parametrize("registers", [0, RB_31, RA_5 | RB_31])
def test_persistent_flush_becomes_plain_dcbf_with_its_registers(
    order: Order, word: int, registers: int
) -> None:
    image = make_elf(words(SYNC, word | registers, SYNC, order=order), order=order)
    expected = make_elf(words(SYNC, DCBF | registers, SYNC, order=order), order=order)
    assert rewrite_flushes(image) == (expected, 1, 0)


@pytest.mark.parametrize("word", [DCBF, DCBFL, DCBFLP, DCBSTPS | 1, DCBSTPS | 0x400, LWSYNC])
def test_instructions_that_tcg_runs_stay(word: int) -> None:
    image = make_elf(words(word))
    assert rewrite_flushes(image, barriers=True) == (image, 0, 0)


def test_data_and_unaligned_bytes_stay() -> None:
    image = make_elf(b"\0\0" + words(DCBFPS, PHWSYNC) + b"\0\0", data=words(DCBSTPS, PHWSYNC))
    assert rewrite_flushes(image, barriers=True) == (image, 0, 0)


def test_barriers_are_rewritten_only_when_asked_for() -> None:
    image = make_elf(words(PHWSYNC, PLWSYNC, LWSYNC))
    assert rewrite_flushes(image) == (image, 0, 0)
    assert rewrite_flushes(image, barriers=True) == (make_elf(words(SYNC, SYNC, LWSYNC)), 0, 2)


@given(st.lists(st.sampled_from([DCBSTPS, DCBFPS, DCBF, SYNC, 0xAC7CAC7C, 0x7CAC7CAC])))
def test_count_is_the_number_of_words_that_differ(code: list[int]) -> None:
    image = make_elf(words(*code))
    fixed, flushes, _ = rewrite_flushes(image)
    pairs = [(image[at : at + 4], fixed[at : at + 4]) for at in range(0, len(image), 4)]
    assert sum(before != after for before, after in pairs) == flushes
    assert flushes == sum(word in (DCBSTPS, DCBFPS) for word in code)
    assert rewrite_flushes(fixed) == (fixed, 0, 0)


def test_no_elf_file_is_the_users_error() -> None:
    with pytest.raises(UserError, match="vmlinux"):
        rewrite_flushes(b"\x1f\x8b not a kernel")


def test_no_more_is_read_than_is_there() -> None:
    image = make_elf(words(DCBFPS))
    with pytest.raises(UserError, match="cut short"):
        rewrite_flushes(_grown(image))


def _grown(image: bytes) -> bytes:
    """The size in the table's second row, that of the code, is past the end of the file."""
    table_at = len(image) - 4 * 64
    return image[: table_at + 96] + struct.pack("<Q", 1 << 20) + image[table_at + 104 :]
