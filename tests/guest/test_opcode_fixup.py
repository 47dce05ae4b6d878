"""Kernels that were rewritten for TCG, in real guests: they run, and do what they were made for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.guest.boot import Guest, boot
from harness.records import Layout
from harness.target import load_targets
from tests.support.guests import boot_request

pytestmark = pytest.mark.guest

GUEST = Layout(ram_bytes=2 << 30, cpus=2)
PROCESSES = 100


def test_s390x_returns_without_a_new_translation_each_time(
    provider: Provider, tmp_path: Path
) -> None:
    request = boot_request(provider, load_targets()["s390x"], GUEST, tmp_path)
    with boot(request) as guest:
        if guest.accelerator != "tcg":
            pytest.skip("nothing is rewritten under KVM")
        assert guest.fixup.returns > 0
        loop = f"for i in $(seq {PROCESSES}); do /bin/true; done; echo works"
        first = guest.shell.run(loop, Deadline.after(60))
        before = _invalidated(guest)
        again = guest.shell.run(loop, Deadline.after(60))
        after = _invalidated(guest)
    assert first.stdout == again.stdout == "works\n"
    # Each process makes some tens of system calls, and each cost a block before.
    assert after - before < PROCESSES


def _invalidated(guest: Guest) -> int:
    """How many blocks of translated code QEMU has dropped."""
    found = re.search(r"TB invalidate count\s+(\d+)", guest.qmp.monitor("info jit"))
    assert found
    return int(found[1])
