"""Provisions that nobody built, for code that only moves them about."""

from __future__ import annotations

from pathlib import Path

from harness.campaign.provide import Provisions
from harness.kernel.built import BuiltKernel
from harness.records import KernelFacts


def provisions_in(root: Path) -> Provisions:
    """Paths in a store at ``root``; nothing is written there."""
    kernel = root / "kernel/key"
    return Provisions(
        kernel=BuiltKernel(
            spec="debian:6.1",
            key="key",
            release="6.1.192",
            image=kernel / "bzImage",
            vmlinux=kernel / "vmlinux",
            system_map=kernel / "System.map",
            config=kernel / "config",
            modules_builtin=kernel / "modules.builtin",
            facts=KernelFacts((6, 1, 192), "6.1.192", {"MEMCG": "y"}, 64, {"probe": True}),
            source=root / "source/linux",
            compiler="gcc 12",
            opcode_fixup=None,
        ),
        base=root / "guest-image/one/base.cpio",
        overlay=root / "guest-overlay/one/overlay.cpio",
        programs=(root / "guest-daxprobe/one/daxprobe.cpio",),
        firmware=root / "guest-firmware/one/firmware",
    )
