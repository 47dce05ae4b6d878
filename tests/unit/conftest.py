"""Unit tests see no user's cache and no user's QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from harness.kernel.sandbox import SWITCH, why_not

# How long an example takes says how busy the machine is.
settings.register_profile("daxhound", deadline=None)
settings.load_profile("daxhound")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("DAXHOUND_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def open_builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Builds without the sandbox, for trees that write beside themselves to be watched."""
    monkeypatch.setenv(SWITCH, "off")
    why_not.cache_clear()
    yield
    why_not.cache_clear()


@pytest.fixture
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parents[2]
