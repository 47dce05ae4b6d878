"""The process that runs a chunk: how it ends, whoever wants that. No guests here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.campaign.attempt import RunOptions
from harness.cluster.cells import Job, NotWantedError, run_apart
from harness.cluster.parcel import unrooted
from harness.errors import InfrastructureError
from tests.support.processes import processes_with
from tests.support.provisions import provisions_in


def job(provisions: Any) -> Job:
    return Job((), "debian:6.1", provisions, (), RunOptions(), 1)


def test_a_job_of_nothing_ends_by_itself(tmp_path: Path) -> None:
    given = unrooted(provisions_in(tmp_path / "store"), tmp_path / "store")
    assert list(run_apart(job(given), tmp_path, lambda: True)) == []


def test_what_cannot_run_is_the_hosts_trouble_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"(?s)ended with 1: .*AttributeError"):
        list(run_apart(job(None), tmp_path, lambda: True))


def test_nothing_is_left_of_what_nobody_wants(tmp_path: Path) -> None:
    given = unrooted(provisions_in(tmp_path / "store"), tmp_path / "store")
    with pytest.raises(NotWantedError):
        list(run_apart(job(given), tmp_path, lambda: False))
    assert processes_with(str(tmp_path)) == []
