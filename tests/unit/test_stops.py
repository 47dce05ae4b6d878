"""A child that is stopped and continued costs no deadline anything."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from harness.deadline import Deadline, seconds_stood_still
from harness.machine.stops import wait_for_end

_STOPPED_SECONDS = 0.6


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "100"]) as child:
        yield child
        child.kill()


def stop(child: subprocess.Popen[bytes], seconds: float) -> None:
    child.send_signal(signal.SIGSTOP)
    threading.Event().wait(seconds)
    child.send_signal(signal.SIGCONT)


def test_the_time_of_a_stop_is_left_out_and_the_end_is_seen(
    child: subprocess.Popen[bytes],
) -> None:
    limit, before, started = Deadline.after(100.0), seconds_stood_still(), time.monotonic()
    waiting = threading.Thread(target=wait_for_end, args=[child, threading.get_ident()])
    waiting.start()
    # The first may be over before the thread looks, on a busy host.
    while seconds_stood_still() - before < 1.5 * _STOPPED_SECONDS:
        assert limit.remaining > 60.0, "stops were left in"
        stop(child, _STOPPED_SECONDS)
    child.kill()
    waiting.join(10.0)
    assert not waiting.is_alive()
    assert child.returncode == -signal.SIGKILL
    assert seconds_stood_still() - before <= time.monotonic() - started


def test_a_child_that_is_killed_while_it_is_stopped_has_ended(
    child: subprocess.Popen[bytes],
) -> None:
    before = seconds_stood_still()
    child.send_signal(signal.SIGSTOP)
    child.kill()
    wait_for_end(child, threading.get_ident())
    assert child.returncode == -signal.SIGKILL
    assert seconds_stood_still() - before < 0.5


def test_a_child_that_another_thread_has_reaped_has_ended(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child.poll() == -signal.SIGKILL
    wait_for_end(child, threading.get_ident())
    assert child.returncode == -signal.SIGKILL
