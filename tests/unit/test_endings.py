"""How QEMU's end by a signal is told."""

from __future__ import annotations

import signal

import pytest

from harness.machine.process import explain_signal


@pytest.mark.parametrize(
    ("number", "oom_kills", "told"),
    [
        (signal.SIGKILL, 0, "SIGKILL, sent from outside"),
        (signal.SIGKILL, 2, "SIGKILL; the host ran out of memory meanwhile and killed 2"),
        (signal.SIGBUS, 0, "SIGBUS: no room for the guest's files, 4 KiB are free"),
        (signal.SIGSEGV, 0, "SIGSEGV"),
        (250, 0, "signal 250"),
    ],
)
def test_a_signal_is_told_with_what_it_may_be_about(number: int, oom_kills: int, told: str) -> None:
    assert explain_signal(number, oom_kills=oom_kills, free_bytes=4096) == told
