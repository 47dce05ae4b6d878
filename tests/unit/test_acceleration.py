"""What is remembered of KVM, and when it is worth a try at all."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from harness.machine.acceleration import AccelerationMemory, host_architecture, is_plausible
from harness.machine.versions import Emulator

EMULATOR = Emulator(Path("/usr/bin/qemu"), (10, 0, 2), "QEMU emulator version 10.0.2")
NEWER = Emulator(Path("/usr/bin/qemu"), (10, 1, 0), "QEMU emulator version 10.1.0")


@pytest.mark.parametrize("works", [True, False])
def test_what_was_found_is_remembered_for_the_same_host_and_qemu(
    tmp_path: Path, works: bool
) -> None:
    AccelerationMemory.of(tmp_path, EMULATOR, "max").remember(works, "tried")
    assert AccelerationMemory.of(tmp_path, EMULATOR, "max").recall() is works


def test_another_qemu_or_cpu_has_to_be_tried_anew(tmp_path: Path) -> None:
    AccelerationMemory.of(tmp_path, EMULATOR, "max").remember(True, "tried")
    assert AccelerationMemory.of(tmp_path, NEWER, "max").recall() is None
    assert AccelerationMemory.of(tmp_path, EMULATOR, "host").recall() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"works": true}', '{"works": "yes"}'])
def test_damaged_memory_is_no_memory(tmp_path: Path, text: str) -> None:
    memory = AccelerationMemory.of(tmp_path, EMULATOR, "max")
    memory.remember(True, "tried")
    memory.path.write_text(text)
    assert memory.recall() is None


def test_later_finding_replaces_the_earlier_and_leaves_nothing_else(tmp_path: Path) -> None:
    memory = AccelerationMemory.of(tmp_path, EMULATOR, "max")
    memory.remember(True, "tried")
    memory.remember(False, "tried again")
    assert memory.recall() is False
    assert [path.name for path in memory.path.parent.iterdir()] == [memory.path.name]


def test_kvm_needs_the_hosts_own_architecture_and_a_device(tmp_path: Path) -> None:
    own = host_architecture(platform.machine())
    device = tmp_path / "kvm"
    assert not is_plausible(own, device)
    device.touch()
    assert is_plausible(own, device)
    assert not is_plausible("vax", device)


def test_hosts_are_named_as_targets_are() -> None:
    assert host_architecture("aarch64") == "arm64"
    assert host_architecture("ppc64le") == "ppc64"
    assert host_architecture("x86_64") == "x86_64"
