"""What a worker says its host can do. QEMU and KVM are said to be there, or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cluster import host
from harness.cluster.host import offers
from harness.cluster.resources import CORES, MEMORY, code_resource, targets_of
from harness.errors import InfrastructureError
from harness.machine.acceleration import AccelerationMemory
from harness.machine.versions import Emulator
from harness.target import Target, load_targets

TARGETS = tuple(load_targets().values())
CODE = "0123456789abcdef0123"
QEMU = Emulator(Path("/usr/bin/qemu-system-any"), (10, 0, 2), "QEMU emulator version 10.0.2")


@pytest.fixture(autouse=True)
def a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every QEMU but that of s390x, firmware for all but arm64, and KVM for x86_64."""

    def find_emulator(binary: str) -> Emulator:
        if binary.endswith("s390x"):
            raise InfrastructureError("is not in $PATH")
        return QEMU

    def firmware_code(target: Target) -> None:
        if target.arch == "arm64":
            raise InfrastructureError("firmware is missing")

    monkeypatch.setattr(host, "find_emulator", find_emulator)
    monkeypatch.setattr(host, "firmware_code", firmware_code)
    monkeypatch.setattr(host, "firmware_vars_template", lambda _: None)
    monkeypatch.setattr(host, "is_plausible", lambda arch: arch == "x86_64")


def test_what_is_there_is_said(tmp_path: Path) -> None:
    found = offers(TARGETS, tmp_path, CODE, cores=3, memory_bytes=5 << 30)
    assert found[CORES] == 3
    assert found[MEMORY] == 5 << 30
    assert found[code_resource(CODE)] == 3
    assert found["kvm-x86_64"] == 3
    wanted = {target.name for target in TARGETS if target.arch not in ("s390x", "arm64")}
    assert set(targets_of(found)) == wanted


@pytest.mark.parametrize(("works", "said"), [(None, True), (True, True), (False, False)])
def test_kvm_that_failed_a_guest_is_none(tmp_path: Path, works: bool | None, said: bool) -> None:
    for target in TARGETS:
        if works is not None:
            AccelerationMemory.of(tmp_path, QEMU, target.qemu.cpu).remember(works, "tried")
    assert ("kvm-x86_64" in offers(TARGETS, tmp_path, CODE, 1, 1 << 30)) == said
