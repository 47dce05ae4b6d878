"""A report that a person ignores is none, on a real guest; the next one still is."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.errors import KernelReported
from harness.guest.boot import boot
from harness.ignore import load_ignore_list
from harness.records import Layout
from harness.target import load_targets
from tests.support.guests import boot_request

pytestmark = pytest.mark.guest

PROVOKE = "echo {} > /sys/kernel/debug/provoke-crash/DIRECT"


def test_ignored_warning_ends_no_step_and_another_does(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "known.yaml").write_text(
        "ignore: [{function: lkdtm_WARNING, kind: warning, reason: it was asked for}]"
    )
    target, layout = load_targets()["s390x"], Layout(1 << 30, 2)
    ignored = load_ignore_list(tmp_path / "known.yaml")
    request = boot_request(provider, target, layout, tmp_path, scale=4.0, ignore=ignored)
    with boot(request) as guest:
        guest.shell.run(PROVOKE.format("WARNING"), Deadline.after(60))
        assert guest.shell.run("echo alive", Deadline.after(60)).stdout == "alive\n"
        with pytest.raises(KernelReported) as caught:
            guest.shell.run(PROVOKE.format("WARNING_MESSAGE") + "; sleep 30", Deadline.after(60))
    assert [report.function for report in caught.value.reports] == ["lkdtm_WARNING_MESSAGE"]
    assert b"lkdtm_WARNING+" in (tmp_path / "console.log").read_bytes()
