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
from tests.unit.test_opcodes_ppc64 import DCBF, DCBSTPS, PHWSYNC, SYNC, make_elf, words

PPC64, RISCV = (load_targets()[name] for name in ("ppc64-radix", "riscv64"))
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


def test_nothing_is_done_under_kvm(store: Store, ppc64: Path) -> None:
    assert provide_bootable(ppc64, PPC64, QEMU, "kvm", store) == (ppc64, NOTHING)
    assert not (store.root / "fixed-kernel").exists()


def test_a_target_without_rules_gets_what_was_built(store: Store, ppc64: Path) -> None:
    assert provide_bootable(ppc64, RISCV, QEMU, "tcg", store) == (ppc64, NOTHING)


def test_a_kernel_with_nothing_to_rewrite_is_booted_itself(store: Store) -> None:
    plain = make_elf(b"")
    kernel = store.provide("kernel", "plain", _writer(vmlinux=plain)) / "vmlinux"
    assert provide_bootable(kernel, PPC64, QEMU, "tcg", store) == (kernel, NOTHING)
    assert not list(store.root.glob("fixed-kernel/*/vmlinux"))


def _writer(vmlinux: bytes, image: bytes | None = None) -> Callable[[Path], None]:
    def build(directory: Path) -> None:
        (directory / "vmlinux").write_bytes(vmlinux)
        if image is not None:
            (directory / "bzImage").write_bytes(image)

    return build
