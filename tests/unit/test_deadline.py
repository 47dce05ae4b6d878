"""Deadlines on a clock that stands still while nobody runs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from harness import deadline
from harness.deadline import Deadline, NoLongerWanted, Standstill


def test_a_deadline_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(deadline, "_CLOCK", deadline._Clock())
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit = Deadline.after(3.0)
    assert limit.remaining == 3.0
    now[0] += 2.0
    assert not limit.expired
    now[0] += 1.5
    assert limit.expired


def test_time_in_which_nothing_ran_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(deadline, "_CLOCK", deadline._Clock())
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit = Deadline.after(3.0)
    now[0] += 3600.0
    assert limit.remaining == pytest.approx(2.0)
    assert deadline.seconds_stood_still() == pytest.approx(3599.0)


def test_a_thread_that_is_given_up_is_told_once_and_no_other_is() -> None:
    said: list[str] = []
    told, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        limit = Deadline.after(60.0)
        go_on.wait(60.0)
        for _ in range(2):
            try:
                said.append(f"{limit.remaining > 0.0}")
            except NoLongerWanted:
                said.append("no longer wanted")
        told.set()

    thread = threading.Thread(target=wait)
    thread.start()
    deadline.give_up(thread)
    assert Deadline.after(1.0).remaining > 0.0
    go_on.set()
    assert told.wait(60.0)
    thread.join()
    assert said == ["no longer wanted", "True"]


def test_a_guest_that_is_stopped_costs_its_own_thread_no_time_and_gives_others_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(deadline, "_CLOCK", deadline._Clock())
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit, driver = Deadline.after(10.0), threading.get_ident()
    for thread in (driver, driver + 1):
        standstill = Standstill.begin(thread)
        now[0] += 2.0
        standstill.end()
    assert limit.remaining == pytest.approx(8.0)
    assert deadline.seconds_stood_still() == pytest.approx(2.0)


_STOPPED = """
import os, signal, subprocess, time
from harness.deadline import Deadline
limit = Deadline.after(5.0)
wake = f"sleep 7; kill -CONT {os.getpid()}"
subprocess.Popen(["sh", "-c", wake])
os.kill(os.getpid(), signal.SIGSTOP)
print(limit.remaining)
"""


def test_a_process_that_was_stopped_has_lost_no_time() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _STOPPED], capture_output=True, text=True, check=True
    ).stdout
    assert float(said) > 3.0
