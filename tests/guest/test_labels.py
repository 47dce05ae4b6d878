"""The label area that the harness writes, held against what ndctl writes in a guest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.campaign.provide import Provider
from harness.command_line import GuestFiles
from harness.deadline import Deadline
from harness.guest.boot import boot
from harness.machine.labels import index_blocks
from harness.records import Layout, PmemDevice
from harness.target import load_targets
from tests.support.guests import boot_request

pytestmark = pytest.mark.guest

SIZE, START = 1 << 30, 4 << 30
INITIALISE = (
    "ndctl disable-region all && ndctl init-labels --force --label-version=1.2 all"
    " && ndctl enable-region all"
)


@pytest.mark.parametrize("area", [128 << 10, 1 << 20, 2 << 20, 0x35D000])
def test_labels_are_those_of_ndctl(area: int, provider: Provider, tmp_path: Path) -> None:
    device = PmemDevice(SIZE, START, area, "0a6ab1cc-4d51-4a13-8d3b-0f8b2f2f1d51")
    layout = Layout(1 << 30, 1, (device,))
    written: list[bytes] = []

    def read(files: GuestFiles, _: Layout) -> None:
        descriptor = os.open(files.pmem_backing(0), os.O_RDONLY)
        written.append(os.pread(descriptor, area, SIZE))
        os.close(descriptor)

    with boot(boot_request(provider, load_targets()["arm64"], layout, tmp_path)) as guest:
        said = guest.shell.run(INITIALISE, Deadline.after(60))
        assert said.status == 0, said.stderr
        guest.power_cycle(read)
    ours = index_blocks(area)
    assert written[0][: len(ours)] == ours
    assert not any(written[0][len(ours) :])
