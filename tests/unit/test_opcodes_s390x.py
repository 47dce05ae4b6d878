"""Returns from an s390x kernel, rewritten: on kernels made here, and images of their code."""

from __future__ import annotations

import gzip
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine.opcodes_s390x import rewrite_returns
from tests.support.elf_files import ElfSection, make_elf
from tests.support.s390x_kernel import (
    MACHINE,
    TEXT,
    Alternative,
    branch,
    lpswe,
    lpswey,
    make_code,
    make_return,
    make_vmlinux,
)

NOP = bytes.fromhex("47000000")
STORE_BEAR = bytes.fromhex("b2010200")
OTHERS = Alternative(NOP, STORE_BEAR)  # another of facility 193, as long as most


def make_image(*codes: bytes) -> bytes:
    """What is in front of the kernel, the kernel's code, and what comes behind it."""
    return b"loader" * 50 + make_code(*codes) + b"the kernel's data"


def test_returns_load_the_psw_that_the_table_names() -> None:
    vmlinux = make_vmlinux(
        make_return(0x290), OTHERS, make_return(0x2A0, to=0x404), make_return(0x290)
    )
    image = make_image(branch(0x400), NOP, branch(0x404), branch(0x400))
    fixed = make_image(lpswe(0x290), NOP, lpswe(0x2A0), lpswe(0x290))
    assert rewrite_returns(image, vmlinux) == (fixed, 3)
    assert rewrite_returns(fixed, vmlinux) == (fixed, 0)


@pytest.mark.parametrize("facility_bytes", [2, 3, 4])
def test_tables_of_all_versions_are_read(facility_bytes: int) -> None:
    vmlinux = make_vmlinux(OTHERS, make_return(0x290), facility_bytes=facility_bytes)
    image = make_image(NOP, branch(0x400))
    assert rewrite_returns(image, vmlinux) == (make_image(NOP, lpswe(0x290)), 1)


def test_a_lowcore_elsewhere_has_a_replacement_of_its_own() -> None:
    """As from 6.12: the second of two replacements is for a lowcore that was moved."""
    code = make_code(branch(0x400))
    at, by = TEXT + 6, 0x3000
    table = b"".join(
        struct.pack(">iiIB", at - here, by + 6 * index - here - 4, 0, 6)
        for index, here in enumerate((0x2000, 0x2000 + 13))
    )
    vmlinux = make_elf(
        ElfSection(".text", code, address=TEXT),
        ElfSection(".altinstructions", table, 2, 0x2000),
        ElfSection(".altinstr_replacement", lpswey(0x2A0) + lpswey(0x702A0), address=by),
        order=">",
        machine=MACHINE,
    )
    assert rewrite_returns(make_image(branch(0x400)), vmlinux) == (make_image(lpswe(0x2A0)), 1)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Alternative(NOP + NOP[:2], lpswey(0x290)), id="no branch"),
        pytest.param(Alternative(b"\x47\xf0\x14\0\x07\0", lpswey(0x290)), id="a base register"),
        pytest.param(Alternative(b"\x47\xf1\x04\0\x07\0", lpswey(0x290)), id="an index register"),
        pytest.param(Alternative(b"\x47\x80\x04\0\x07\0", lpswey(0x290)), id="on a condition"),
        pytest.param(Alternative(b"\x47\xf0\x04\0\x07\xfe", lpswey(0x290)), id="no nopr"),
        pytest.param(Alternative(branch(0x400), lpswey(0x290, base=13)), id="a PSW by a register"),
        pytest.param(Alternative(branch(0x400), lpswey(0x70290)), id="a PSW out of reach"),
        pytest.param(Alternative(branch(0x400), b"\xeb\0\x02\x90\0\x72"), id="no lpswey"),
        pytest.param(Alternative(branch(0x400)[:4], lpswey(0x290)[:4]), id="shorter"),
        pytest.param(Alternative(branch(0x400) + NOP, lpswey(0x290) + NOP), id="longer"),
    ],
)
def test_what_looks_otherwise_stays(other: Alternative) -> None:
    vmlinux = make_vmlinux(other, make_return(0x290))
    image = make_image(other.code, branch(0x400))
    assert rewrite_returns(image, vmlinux) == (make_image(other.code, lpswe(0x290)), 1)


def test_a_branch_that_the_table_does_not_name_stays() -> None:
    vmlinux = make_vmlinux(Alternative(branch(0x400) + NOP, b"\0" * 10), make_return(0x290))
    image = make_image(branch(0x400) + NOP, branch(0x400))
    assert rewrite_returns(image, vmlinux) == (make_image(branch(0x400) + NOP, lpswe(0x290)), 1)


KERNEL = make_vmlinux(OTHERS, make_return(0x290))
CODE = make_code(NOP, branch(0x400))


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(gzip.compress(CODE), id="packed"),
        pytest.param(CODE[:-1], id="cut short"),
        pytest.param(CODE.replace(NOP, STORE_BEAR), id="of another kernel"),
        pytest.param(CODE + CODE, id="twice, so that nobody can tell which is run"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_an_image_without_the_code_stays(image: bytes) -> None:
    assert rewrite_returns(image, KERNEL) == (image, 0)


def test_a_kernel_without_alternatives_stays() -> None:
    vmlinux = make_elf(ElfSection(".text", CODE, address=TEXT), order=">", machine=MACHINE)
    assert rewrite_returns(CODE, vmlinux) == (CODE, 0)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(11), id="of zeros"),
        pytest.param(struct.pack(">iiHB", 1 << 20, 1 << 20, 193, 6) * 2, id="leads nowhere"),
        pytest.param(bytes(7), id="shorter than an entry"),
    ],
)
def test_a_table_of_another_form_is_not_read(table: bytes) -> None:
    vmlinux = make_vmlinux(OTHERS, make_return(0x290), table=table)
    assert rewrite_returns(CODE, vmlinux) == (CODE, 0)


@pytest.mark.parametrize("vmlinux", [b"", b"\x7fELF", b"no ELF file" * 20, KERNEL[:-1]])
def test_no_vmlinux_no_change(vmlinux: bytes) -> None:
    assert rewrite_returns(CODE, vmlinux) == (CODE, 0)


@given(st.binary(min_size=1, max_size=64), st.integers(0, len(KERNEL)))
def test_no_vmlinux_is_too_odd(junk: bytes, at: int) -> None:
    """And none makes it write anything but the two instructions over what is there."""
    odd = bytearray(KERNEL)
    odd[at : at + len(junk)] = junk
    fixed, changed = rewrite_returns(CODE, bytes(odd))
    assert len(fixed) == len(CODE)
    assert (fixed == CODE) == (changed == 0)


DISPLACEMENTS = st.integers(0, 0xFFF)
RETURNS = st.builds(
    lambda psw, to: (make_return(psw, to), lpswe(psw)), DISPLACEMENTS, DISPLACEMENTS
)
STAYING = st.one_of(
    st.just(OTHERS),
    st.builds(lambda psw: Alternative(branch(0x400), lpswey(psw)), st.integers(0x1000, 0xFFFFF)),
).map(lambda alternative: (alternative, alternative.code))


@given(st.lists(RETURNS | STAYING), st.sampled_from([2, 3, 4]), st.binary(max_size=20))
def test_exactly_the_returns_differ(
    pairs: list[tuple[Alternative, bytes]], facility_bytes: int, around: bytes
) -> None:
    alternatives = [alternative for alternative, _ in pairs]
    vmlinux = make_vmlinux(*alternatives, facility_bytes=facility_bytes)
    before = [alternative.code for alternative in alternatives]
    after = [code for _, code in pairs]
    fixed, changed = rewrite_returns(around + make_code(*before) + around, vmlinux)
    assert fixed == around + make_code(*after) + around
    assert changed == sum(was != now for was, now in zip(before, after, strict=True))
