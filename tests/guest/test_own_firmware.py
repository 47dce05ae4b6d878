"""Firmware of our own in real guests: what it refuses, it says, and UEFI still boots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.errors import BootFailure
from harness.guest.boot import boot
from harness.records import Layout
from harness.target import load_targets
from tests.support.guests import boot_request

pytestmark = pytest.mark.guest

TARGETS = load_targets()
GUEST = Layout(ram_bytes=2 << 30, cpus=2)


@pytest.mark.parametrize(
    ("name", "said"), [("arm64", "EFI v2.70 by daxhound"), ("arm64-uefi", "by EDK II")]
)
def test_a_kernel_is_told_of_acpi(name: str, said: str, provider: Provider, tmp_path: Path) -> None:
    with boot(boot_request(provider, TARGETS[name], GUEST, tmp_path)) as guest:
        record = guest.shell.run(
            "dmesg | grep EFI; ls /sys/firmware/acpi/tables", Deadline.after(60)
        )
    assert said in record.stdout
    assert "DSDT" in record.stdout


def test_no_kernel_is_said_and_ends_the_guest(provider: Provider, tmp_path: Path) -> None:
    none = tmp_path / "entry" / "Image"
    none.parent.mkdir()
    none.write_bytes(b"no kernel" * 1000)
    request = boot_request(provider, TARGETS["arm64"], GUEST, tmp_path)
    with (
        pytest.raises(BootFailure, match="firmware: the kernel is no Image of arm64"),
        boot(replace(request, kernel=none)),
    ):
        pass


def test_too_little_ram_is_said(provider: Provider, tmp_path: Path) -> None:
    request = boot_request(provider, TARGETS["arm64"], Layout(16 << 20, 1), tmp_path)
    with (
        pytest.raises(BootFailure, match="kernel and initrd take more RAM than there is"),
        boot(request),
    ):
        pass
