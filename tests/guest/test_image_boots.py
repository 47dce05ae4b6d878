"""The image in real guests: every target reaches its shell, and every program runs.

Kernels come from the store, and are built where they are not there yet: minutes each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.guest.boot import boot
from harness.records import Layout
from tests.support.guests import boot_request
from tests.support.targets import main_targets

pytestmark = pytest.mark.guest

TARGETS = main_targets()
GUEST = Layout(ram_bytes=2 << 30, cpus=2)


@pytest.mark.parametrize("name", TARGETS)
def test_every_program_of_the_image_runs(name: str, provider: Provider, tmp_path: Path) -> None:
    request = boot_request(provider, TARGETS[name], GUEST, tmp_path)
    with boot(request) as guest:
        for command, said in {
            "ndctl version": "76",
            "daxctl version": "76",
            "mkfs.xfs -V": "mkfs.xfs version",
            "mkfs.ext4 -V 2>&1": "mke2fs",
            "daxprobe map:private:rw:0:65536 touch:write:0:65536:65536": '"touched_bytes": 65536',
            "gup_test -m 16 -a -n 512": "PIN_FAST_BENCHMARK: Time: get:",
            "id -u": "0\n",
            "grep -l daxhound_stand_in /lib/*/libcrypto.so.3": "libcrypto",
        }.items():
            record = guest.shell.run(command, Deadline.after(60))
            assert (command, record.status) == (command, 0), record.stderr
            assert said in record.stdout


@pytest.mark.parametrize("transport", ["serial", "ssh"])
@pytest.mark.parametrize("name", ["s390x", "ppc64-radix"])
def test_the_shell_is_up_and_the_console_is_clean(
    name: str, transport: str, provider: Provider, tmp_path: Path
) -> None:
    """What is sent to the shell and what it says must not reach the judged console."""
    request = boot_request(provider, TARGETS[name], GUEST, tmp_path, transport=transport)
    with boot(request) as guest:
        record = guest.shell.run("echo visible; uname -s", Deadline.after(60))
        assert record.stdout == "visible\nLinux\n"
    console = (tmp_path / "console.log").read_text(errors="replace")
    assert console.count("daxhound: ready") == 1
    after_init = console.partition("daxhound: ready")[2]
    assert "visible" not in after_init
    assert "dropbear" not in after_init
