"""Cores and memory, on hosts that are folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.share import available_memory, usable_cores, whole_memory

MIB = 1 << 20

Host = Callable[..., Path]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host of 8 cores with 4 GiB to give, and files of its control groups by their paths."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))

    def make(group: str = "/", files: dict[str, str] | None = None) -> Path:
        texts = {
            "proc/meminfo": f"MemTotal: {9 << 20} kB\nMemAvailable: {4 << 20} kB\n"
            f"SwapTotal: {1 << 20} kB\n",
            "proc/self/cgroup": f"4:memory:/elsewhere\n0::{group}\n",
            **{f"sys/fs/cgroup/{name}": text for name, text in (files or {}).items()},
        }
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def test_without_limits_it_is_the_hosts_own(host: Host) -> None:
    root = host(files={"cpu.max": "max 100000", "memory.max": "max"})
    assert usable_cores(root) == 8
    assert available_memory(root) == 4096 * MIB


def test_where_nothing_can_be_read_there_is_one_core_or_more_and_no_memory(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == len(os.sched_getaffinity(0))
    assert available_memory(tmp_path) == 0


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("3200000 100000", 8)],
)
def test_a_quota_counts_in_whole_cores(host: Host, limit: str, cores: int) -> None:
    assert usable_cores(host(files={"cpu.max": limit})) == cores


def test_the_narrowest_of_all_groups_above_counts(host: Host) -> None:
    files = {"ci/cpu.max": "300000 100000", "ci/job/cpu.max": "max 100000"}
    assert usable_cores(host("/ci/job", files)) == 3


def test_memory_is_what_a_limit_leaves_less_what_is_not_of_files(host: Host) -> None:
    files = {
        "ci/memory.max": str(2048 * MIB),
        "ci/memory.current": str(1500 * MIB),
        "ci/memory.stat": f"anon 5\nfile {1000 * MIB}\nshmem {300 * MIB}",
    }
    assert available_memory(host("/ci/job", files)) == (2048 - 1500 + 1000 - 300) * MIB


def test_a_group_over_its_limit_leaves_nothing(host: Host) -> None:
    files = {"memory.max": str(MIB), "memory.current": str(2 * MIB)}
    assert available_memory(host(files=files)) == 0


def test_all_that_can_ever_be_had_is_memory_and_swap_as_far_as_a_limit_goes(host: Host) -> None:
    assert whole_memory(host()) == 10 << 30
    assert whole_memory(host("/ci", {"ci/memory.max": str(2 << 30)})) == 3 << 30
    limits = {"ci/memory.max": str(2 << 30), "ci/memory.swap.max": "0"}
    assert whole_memory(host("/ci/job", limits)) == 2 << 30


def test_where_nothing_can_be_read_no_memory_is_known_of(tmp_path: Path) -> None:
    assert whole_memory(tmp_path) == 0
