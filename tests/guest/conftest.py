"""What guest tests share: kernels and images, built with their progress on the terminal."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.campaign.provide import Provider
from harness.machine.termination import orderly_termination
from harness.plugin.progress import UncapturedProgress
from harness.store import Store

KERNEL = "debian:6.1"


@pytest.fixture(scope="session")
def provider(pytestconfig: pytest.Config) -> Provider:
    """Kernels and images of debian:6.1; a cold one takes minutes."""
    return Provider(Store.default(), KERNEL, UncapturedProgress(pytestconfig))


@pytest.fixture(scope="session", autouse=True)
def _orderly() -> Iterator[None]:
    """Whoever ends the tests by SIGTERM ends their guests first."""
    with orderly_termination():
        yield


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A temporary directory whose path leaves room for socket names; pytest's may not."""
    with tempfile.TemporaryDirectory(prefix="dx-", dir="/tmp") as name:
        yield Path(name)
