"""The vmlinux inside of a bzImage, on images made here."""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import gunzip
from harness.machine.bootable import provide_bootable
from harness.machine.opcodes import Fixup
from harness.machine.pvh import startable_vmlinux
from harness.machine.versions import Emulator
from harness.store import Store
from harness.target import load_targets

X86 = load_targets()["x86_64"]
QEMU = Emulator(Path("qemu-system-x86_64"), (10, 0, 2), "QEMU emulator version 10.0.2")
SETUP_SECTORS = 3


def make_vmlinux(owner: bytes = b"Xen\0", kind: int = 18) -> bytes:
    """A 64-bit ELF file with one segment: a note."""
    note = struct.pack("<III", len(owner), 8, kind) + owner + struct.pack("<Q", 0x1000000)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(note), len(note), 4)
    return header + segment + note


def make_bzimage(
    vmlinux: bytes, pack: Callable[[bytes], bytes] = gzip.compress, version: int = 0x20F
) -> bytes:
    payload = pack(vmlinux) + struct.pack("<I", len(vmlinux))
    setup = bytearray((SETUP_SECTORS + 1) * 512)
    setup[0x1F1] = SETUP_SECTORS
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, version)
    decompressor = b"\x90" * 100
    struct.pack_into("<II", setup, 0x248, len(decompressor), len(payload))
    return bytes(setup) + decompressor + payload


def test_what_was_packed_comes_out() -> None:
    assert startable_vmlinux(make_bzimage(make_vmlinux())) == make_vmlinux()


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(make_bzimage(make_vmlinux(), lzma.compress), id="packed otherwise"),
        pytest.param(make_bzimage(make_vmlinux(), version=0x207), id="an old header"),
        pytest.param(make_bzimage(make_vmlinux(owner=b"GNU\0")), id="another's note"),
        pytest.param(make_bzimage(make_vmlinux(kind=3)), id="another note of Xen's"),
        pytest.param(make_bzimage(b"no ELF file"), id="no ELF file"),
        pytest.param(make_bzimage(make_vmlinux())[:-6], id="cut short, in its checksum"),
        pytest.param(make_bzimage(make_vmlinux())[:2200], id="cut short"),
        pytest.param(make_vmlinux(), id="no bzImage"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_anything_else_is_booted_as_it_is(image: bytes) -> None:
    assert startable_vmlinux(image) is None


def test_what_unpacks_without_end_is_left_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    image = make_bzimage(make_vmlinux() + bytes(1 << 20))
    assert startable_vmlinux(image) is not None
    monkeypatch.setattr(gunzip, "_LARGEST_BYTES", 1 << 20)
    assert startable_vmlinux(image) is None


@given(st.binary(min_size=1, max_size=64), st.integers(0, 2800))
def test_no_image_is_too_odd(junk: bytes, at: int) -> None:
    image = bytearray(make_bzimage(make_vmlinux()))
    image[at : at + len(junk)] = junk
    startable_vmlinux(bytes(image))


@given(st.binary(min_size=1, max_size=16), st.integers(0, len(make_vmlinux())))
def test_no_vmlinux_is_too_odd(junk: bytes, at: int) -> None:
    vmlinux = bytearray(make_vmlinux())
    vmlinux[at : at + len(junk)] = junk
    startable_vmlinux(make_bzimage(bytes(vmlinux)))


@pytest.mark.parametrize("accelerator", ["tcg", "kvm"])
def test_qemu_gets_the_vmlinux_or_the_image(tmp_path: Path, accelerator: str) -> None:
    store = Store(tmp_path)
    kernels = {"with": make_bzimage(make_vmlinux()), "without": make_bzimage(b"no ELF file")}
    for name, image in kernels.items():
        folder = store.provide("kernel", name, _writer(image))
        kernel = folder / "bzImage"
        bootable, fixup = provide_bootable(kernel, X86, QEMU, accelerator, store)  # type: ignore[arg-type]
        assert fixup == Fixup(0, 0)
        assert bootable.read_bytes() == (make_vmlinux() if name == "with" else image)


def _writer(image: bytes) -> Callable[[Path], None]:
    def build(directory: Path) -> None:
        (directory / "bzImage").write_bytes(image)

    return build
