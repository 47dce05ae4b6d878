"""The factor by which deadlines grow."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine import speed
from harness.machine.speed import bounded, slowness


@given(st.floats(allow_nan=False))
def test_no_measurement_makes_deadlines_shorter_or_absurd(factor: float) -> None:
    assert 1.0 <= bounded(factor) <= 4.0


def test_a_busy_host_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(speed, "_SAMPLE_SECONDS", 1000.0)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.0, 0.0))
    assert slowness() == 1.0
    monkeypatch.setattr(os, "getloadavg", lambda: (6.0, 0.0, 0.0))
    assert slowness() == 3.0


def test_a_slow_host_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_SAMPLE_SECONDS", 1e-9)
    assert slowness() == 4.0
