"""Whether KVM really runs guests here: found out once by running one, then remembered.

A /dev/kvm that opens and makes a VM proves nothing: it may abort QEMU at its first MSR
access, or hang for ever once the firmware has printed its first lines. Only a guest that
came up is proof. What was found holds for one host, host kernel and QEMU.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from harness.machine.versions import Emulator
from harness.store import digest
from harness.whole_file import write_whole

KVM_DEVICE = Path("/dev/kvm")

# uname's word for a host, where it is not the word that targets use.
_HOST_ARCHITECTURES = {"aarch64": "arm64", "ppc64le": "ppc64"}


def host_architecture(machine: str) -> str:
    """A host's architecture in the words of targets, from uname's machine."""
    return _HOST_ARCHITECTURES.get(machine, machine)


def is_plausible(target_arch: str, device: Path = KVM_DEVICE) -> bool:
    """Whether KVM is worth a try: same architecture, and a device that may be opened."""
    same = host_architecture(platform.machine()) == target_arch
    return same and os.access(device, os.R_OK | os.W_OK)


@dataclass(frozen=True, slots=True)
class AccelerationMemory:
    """What is known of KVM under one QEMU on this host: a small JSON file in the store."""

    path: Path
    subject: str

    @classmethod
    def of(cls, store_root: Path, emulator: Emulator, cpu: str) -> AccelerationMemory:
        """The memory for one emulator and guest CPU model on the present host."""
        uname = platform.uname()
        words = (uname.node, uname.machine, uname.release, uname.version)
        subject = " | ".join((*words, str(emulator.path), emulator.banner, cpu))
        return cls(store_root / "acceleration" / f"{digest(subject)[:32]}.json", subject)

    def recall(self) -> bool | None:
        """Whether a guest ran under KVM; None where nobody has tried, or the file is damaged."""
        try:
            entry = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(entry, dict) or entry.get("subject") != self.subject:
            return None
        works = entry.get("works")
        return works if isinstance(works, bool) else None

    def remember(self, works: bool, reason: str) -> None:
        """Keep what was found; whole or not at all, however many processes do."""
        entry = {"subject": self.subject, "works": works, "reason": reason, "time": time.time()}
        write_whole(self.path, json.dumps(entry, indent=1).encode())
