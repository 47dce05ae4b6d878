"""The ppc64 opcode fix-up, on ELF files made here: a header, one section of code, one of data."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.machine.bootable import provide_bootable
from harness.machine.opcodes import Fixup, fix_opcodes
from harness.machine.versions import Emulator
from harness.store import Store
from harness.target import load_targets

DCBSTPS, DCBFPS = 0x7CC000AC, 0x7C8000AC
DCBF = 0x7C0000AC
DCBFL, DCBFLP = 0x7C2000AC, 0x7C6000AC  # L = 1 and 3, which TCG knows
PHWSYNC, PLWSYNC, SYNC, LWSYNC = 0x7C8004AC, 0x7CA004AC, 0x7C0004AC, 0x7C2004AC
RB_31, RA_5 = 31 << 11, 5 << 16
PPC64 = load_targets()["ppc64-radix"]
QEMU = Emulator(Path("qemu-system-ppc64"), (10, 0, 2), "QEMU emulator version 10.0.2")
CODE_OFFSET = 64
EXECUTABLE = 0x6


def make_elf(code: bytes, data: bytes = b"", order: str = "<") -> bytes:
    """A 64-bit ppc64 ELF file; ``code`` starts at ``CODE_OFFSET``, ``data`` follows it."""
    names = b"\0.text\0.data\0.shstrtab\0"
    ident = b"\x7fELF\x02" + (b"\x01" if order == "<" else b"\x02") + b"\x01" + bytes(9)
    data_at = CODE_OFFSET + len(code)
    names_at = data_at + len(data)
    table_at = names_at + len(names)
    header = ident + struct.pack(
        order + "HHIQQQIHHHHHH", 2, 21, 1, 0, 0, table_at, 0, 64, 0, 0, 64, 4, 3
    )
    section = struct.Struct(order + "IIQQQQIIQQ")
    table = (
        bytes(64)
        + section.pack(1, 1, EXECUTABLE, 0, CODE_OFFSET, len(code), 0, 0, 4, 0)
        + section.pack(7, 1, 0x3, 0, data_at, len(data), 0, 0, 1, 0)
        + section.pack(13, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    )
    return header + code + data + names + table


def words(*values: int, order: str = "<") -> bytes:
    return b"".join(struct.pack(order + "I", value) for value in values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("word", [DCBSTPS, DCBFPS])
@pytest.mark.parametrize("registers", [0, RB_31, RA_5 | RB_31])
def test_persistent_flush_becomes_plain_dcbf_with_its_registers(
    order: str, word: int, registers: int
) -> None:
    image = make_elf(words(SYNC, word | registers, SYNC, order=order), order=order)
    fixed, fixup = fix_opcodes(image)
    assert fixed == make_elf(words(SYNC, DCBF | registers, SYNC, order=order), order=order)
    assert fixup == Fixup(flushes=1, barriers=0)
    assert fixup.applied


@pytest.mark.parametrize("word", [DCBF, DCBFL, DCBFLP, DCBSTPS | 1, DCBSTPS | 0x400, LWSYNC])
def test_instructions_that_tcg_runs_stay(word: int) -> None:
    image = make_elf(words(word))
    assert fix_opcodes(image, barriers=True) == (image, Fixup(0, 0))


def test_data_and_unaligned_bytes_stay() -> None:
    image = make_elf(b"\0\0" + words(DCBFPS, PHWSYNC) + b"\0\0", data=words(DCBSTPS, PHWSYNC))
    assert fix_opcodes(image, barriers=True) == (image, Fixup(0, 0))


def test_barriers_are_rewritten_only_when_asked_for() -> None:
    image = make_elf(words(PHWSYNC, PLWSYNC, LWSYNC))
    assert fix_opcodes(image) == (image, Fixup(0, 0))
    fixed, fixup = fix_opcodes(image, barriers=True)
    assert fixed == make_elf(words(SYNC, SYNC, LWSYNC))
    assert fixup == Fixup(flushes=0, barriers=2)


@given(st.lists(st.sampled_from([DCBSTPS, DCBFPS, DCBF, SYNC, 0xAC7CAC7C, 0x7CAC7CAC])))
def test_count_is_the_number_of_words_that_differ(code: list[int]) -> None:
    image = make_elf(words(*code))
    fixed, fixup = fix_opcodes(image)
    pairs = [(image[at : at + 4], fixed[at : at + 4]) for at in range(0, len(image), 4)]
    assert sum(before != after for before, after in pairs) == fixup.flushes
    assert fixup.flushes == sum(word in (DCBSTPS, DCBFPS) for word in code)
    assert fix_opcodes(fixed) == (fixed, Fixup(0, 0))


def test_no_elf_file_is_the_users_error() -> None:
    with pytest.raises(UserError, match="vmlinux"):
        fix_opcodes(b"\x1f\x8b not a kernel")


class TestBootable:
    """What QEMU is given of a kernel in the store."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return Store(tmp_path / "store")

    @pytest.fixture
    def kernel(self, store: Store) -> Path:
        image = make_elf(words(SYNC, DCBSTPS, PHWSYNC))
        return store.provide("kernel", "key", lambda d: write(d / "vmlinux", image)) / "vmlinux"

    def test_a_copy_is_made_once_and_the_kernel_stays(self, store: Store, kernel: Path) -> None:
        before = kernel.read_bytes()
        copy, fixup = provide_bootable(kernel, PPC64, QEMU, "tcg", store)
        assert copy.read_bytes() == make_elf(words(SYNC, DCBF, PHWSYNC))
        assert fixup == Fixup(flushes=1, barriers=0)
        assert kernel.read_bytes() == before
        assert provide_bootable(kernel, PPC64, QEMU, "tcg", store) == (copy, fixup)

    def test_an_older_qemu_has_a_copy_of_its_own(self, store: Store, kernel: Path) -> None:
        copy, _ = provide_bootable(kernel, PPC64, QEMU, "tcg", store)
        older, fixup = provide_bootable(
            kernel, PPC64, replace(QEMU, version=(7, 2, 22)), "tcg", store
        )
        assert fixup == Fixup(flushes=1, barriers=1)
        assert older != copy

    def test_nothing_is_copied_where_nothing_has_to_be(self, store: Store, kernel: Path) -> None:
        assert provide_bootable(kernel, PPC64, QEMU, "kvm", store) == (kernel, Fixup(0, 0))
        s390x = load_targets()["s390x"]
        assert provide_bootable(kernel, s390x, QEMU, "tcg", store) == (kernel, Fixup(0, 0))
        plain = store.provide("kernel", "plain", lambda d: write(d / "vmlinux", make_elf(b"")))
        image = plain / "vmlinux"
        assert provide_bootable(image, PPC64, QEMU, "tcg", store) == (image, Fixup(0, 0))


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
