"""What QEMU is given of a kernel in the store, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.machine.bootable import provide_bootable
from harness.machine.opcodes import Fixup
from harness.machine.versions import Emulator
from harness.store import Store
from harness.target import load_targets
from tests.support.s390x_kernel import make_return, make_vmlinux
from tests.unit.test_opcodes_ppc64 import DCBF, DCBSTPS, PHWSYNC, SYNC, make_elf, words

PPC64, S390X, RISCV = (load_targets()[name] for name in ("ppc64-radix", "s390x", "riscv64"))
QEMU = Emulator(Path("qemu-system-any"), (10, 0, 2), "QEMU emulator version 10.0.2")
OLDER = replace(QEMU, version=(7, 2, 22))
NOTHING = Fixup()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def ppc64(store: Store) -> Path:
    image = make_elf(words(SYNC, DCBSTPS, PHWSYNC))
    return store.provide("kernel", "ppc64", _writer(vmlinux=image)) / "vmlinux"


@pytest.fixture
def s390x(store: Store) -> Path:
    vmlinux = make_vmlinux(make_return(psw=0x290))
    return store.provide("kernel", "s390x", _writer(vmlinux, bytes(512) + vmlinux)) / "bzImage"


def test_a_copy_is_made_once_and_the_kernel_stays(store: Store, ppc64: Path) -> None:
    before = ppc64.read_bytes()
    copy, fixup = provide_bootable(ppc64, PPC64, QEMU, "tcg", store)
    assert copy.read_bytes() == make_elf(words(SYNC, DCBF, PHWSYNC))
    assert fixup == Fixup(flushes=1)
    assert fixup.applied
    assert ppc64.read_bytes() == before
    assert provide_bootable(ppc64, PPC64, QEMU, "tcg", store) == (copy, fixup)


def test_an_older_qemu_has_a_copy_of_its_own(store: Store, ppc64: Path) -> None:
    copy, _ = provide_bootable(ppc64, PPC64, QEMU, "tcg", store)
    older, fixup = provide_bootable(ppc64, PPC64, OLDER, "tcg", store)
    assert fixup == Fixup(flushes=1, barriers=1)
    assert older != copy


@pytest.mark.parametrize("emulator", [QEMU, OLDER])
def test_the_image_of_s390x_is_rewritten_by_its_vmlinux(
    store: Store, s390x: Path, emulator: Emulator
) -> None:
    copy, fixup = provide_bootable(s390x, S390X, emulator, "tcg", store)
    assert fixup == Fixup(returns=1)
    assert fixup.applied
    assert copy.name == "bzImage"
    assert len(copy.read_bytes()) == len(s390x.read_bytes())
    assert copy.read_bytes() != s390x.read_bytes()
    assert provide_bootable(s390x, S390X, emulator, "tcg", store) == (copy, fixup)


def test_what_was_made_by_other_rules_is_not_served(store: Store, s390x: Path) -> None:
    store.provide("fixed-kernel", "s390x-flushes", _writer(b"not this one"))
    _, fixup = provide_bootable(s390x, S390X, QEMU, "tcg", store)
    assert fixup == Fixup(returns=1)


def test_nothing_is_done_under_kvm(store: Store, ppc64: Path, s390x: Path) -> None:
    assert provide_bootable(ppc64, PPC64, QEMU, "kvm", store) == (ppc64, NOTHING)
    assert provide_bootable(s390x, S390X, QEMU, "kvm", store) == (s390x, NOTHING)
    assert not (store.root / "fixed-kernel").exists()


def test_a_target_without_rules_gets_what_was_built(store: Store, s390x: Path) -> None:
    assert provide_bootable(s390x, RISCV, QEMU, "tcg", store) == (s390x, NOTHING)


def test_a_kernel_with_nothing_to_rewrite_is_booted_itself(store: Store) -> None:
    plain = make_elf(b"")
    kernel = store.provide("kernel", "plain", _writer(vmlinux=plain)) / "vmlinux"
    assert provide_bootable(kernel, PPC64, QEMU, "tcg", store) == (kernel, NOTHING)
    assert not list(store.root.glob("fixed-kernel/*/vmlinux"))


def test_a_packed_s390x_kernel_is_booted_itself(store: Store) -> None:
    """As a configuration without KERNEL_UNCOMPRESSED makes it."""
    vmlinux = make_vmlinux(make_return(psw=0x290))
    kernel = store.provide("kernel", "packed", _writer(vmlinux, b"packed")) / "bzImage"
    for _ in range(2):
        assert provide_bootable(kernel, S390X, QEMU, "tcg", store) == (kernel, NOTHING)


def _writer(vmlinux: bytes, image: bytes | None = None) -> Callable[[Path], None]:
    def build(directory: Path) -> None:
        (directory / "vmlinux").write_bytes(vmlinux)
        if image is not None:
            (directory / "bzImage").write_bytes(image)

    return build
