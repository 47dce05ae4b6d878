"""The cache command: what it counts, what it removes, and what it leaves to its users."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.prune import Entry, choose, disk_bytes, list_entries, prune
from harness.store import Store
from tests.support.store_use import kernel_in_use

DAY = 86400


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Three entries of 1 MiB, made by a process that is no more; the last used yesterday."""
    monkeypatch.setenv("DAXHOUND_CACHE", str(tmp_path))
    for days, (kind, key) in enumerate([("kernel", "new"), ("kernel", "old"), ("result", "a")], 1):
        entry = tmp_path / kind / key
        entry.mkdir(parents=True)
        (entry / "content").write_bytes(bytes(1 << 20))
        # As it is where the store was made before uses were written down.
        then = entry.stat().st_mtime - days * DAY
        os.utime(entry, (then, then))
    return Store(tmp_path)


def keys(store: Store) -> set[str]:
    return {path.name for path in store.entries()}


def test_size_counts_by_kind(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(row["kind"], row["entries"]) for row in told["kinds"]] == [
        ("kernel", 2),
        ("result", 1),
    ]
    assert told["kinds"][0]["bytes"] >= 2 << 20
    assert keys(store) == {"new", "old", "a"}


def test_a_file_that_goes_meanwhile_costs_no_other_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler in a work area makes and removes files all the time."""
    for number in range(4):
        (tmp_path / f"{number}").write_bytes(bytes(1 << 20))
    scan = os.scandir

    @contextmanager
    def remove_first(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scan(path) as entries:
            found = list(entries)
            Path(found[0].path).unlink()
            yield iter(found)

    monkeypatch.setattr("os.scandir", remove_first)
    assert disk_bytes(tmp_path) >= 3 << 20


def test_what_prune_leaves_alone_is_told_beside_the_total(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tree to build in has the files of a source by links: they take no room of their own."""
    source, work = store.root / "source/linux", store.root / "work/tree"
    for folder in (source, work, store.root / "apt", store.root / "logs"):
        folder.mkdir(parents=True)
    (source / "file.c").write_bytes(bytes(8 << 20))
    (work / "file.c").hardlink_to(source / "file.c")
    for path in (work / "file.o", store.root / "apt/x.deb"):
        path.write_bytes(bytes(2 << 20))
    (store.root / "logs/build.log").write_text("of no weight")
    assert main(["cache"]) == 0
    headline, *_, last = capsys.readouterr().out.splitlines()
    assert headline.endswith(": 11.0 MiB")
    assert last == "beside these: apt 2.0 MiB, work 2.0 MiB"
    assert main(["cache", "--json"]) == 0
    beside = json.loads(capsys.readouterr().out)["beside"]
    assert {row["kind"] for row in beside} == {"apt", "logs", "work"}
    assert main(["cache", "prune", "--keep", "0"]) == 0
    assert "beside" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--older-than", "36h"], {"new"}),
        (["--older-than", "3w"], {"new", "old", "a"}),
        (["--keep", "2200K"], {"new", "old"}),
        (["--keep", "0", "--kind", "kernel"], {"a"}),
        (["--keep", "0", "--kind", "initrd"], {"new", "old", "a"}),
        (["--keep", "0", "--dry-run"], {"new", "old", "a"}),
        (["--keep", "0"], set()),
    ],
)
def test_prune_removes_the_longest_unused(
    store: Store, arguments: list[str], left: set[str]
) -> None:
    assert main(["cache", "prune", *arguments]) == 0
    assert keys(store) == left
    assert list((store.root / ".building").glob("*")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prune"], "--older-than 30d"),
        (["prune", "--older-than", "30"], "12h, 30d or 4w"),
        (["prune", "--keep", "much"], "is not a size"),
        (
            ["prune", "--keep", "0", "--kind", "kernle"],
            "nothing of that kind is kept",
        ),
    ],
)
def test_prune_without_a_bound_removes_nothing(
    store: Store, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", *arguments]) == 4
    assert words in capsys.readouterr().err
    assert keys(store) == {"new", "old", "a"}


def test_what_a_living_process_uses_stays(store: Store) -> None:
    with kernel_in_use(store, "used"):
        assert prune(store, list_entries(store))
        assert keys(store) == {"used"}
    prune(store, list_entries(store))
    assert keys(store) == set()
    assert list((store.root / ".users").iterdir()) == []


def test_a_use_after_the_choice_still_protects(store: Store) -> None:
    """Between the list and the removal somebody may come; that is this process here."""
    chosen = list_entries(store)
    assert store.find("kernel", "old") is not None
    assert {entry.key for entry in prune(store, chosen)} == {"new", "a"}
    assert keys(store) == {"old"}


def test_use_makes_an_entry_the_newest(store: Store) -> None:
    assert [entry.key for entry in list_entries(store)] == ["a", "old", "new"]
    store.find("result", "a")
    assert [entry.key for entry in list_entries(store)] == ["old", "new", "a"]


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.booleans()), max_size=8),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 400),
)
def test_choice_keeps_its_bounds(
    rows: list[tuple[int, int, bool]], age: int | None, keep: int | None
) -> None:
    entries = sorted(
        (Entry("k", str(n), size, -used, busy) for n, (size, used, busy) in enumerate(rows)),
        key=lambda entry: entry.used,
    )
    chosen = list(choose(entries, now=0, older_than_seconds=age, keep_bytes=keep))
    left = [entry for entry in entries if entry not in chosen]
    assert not any(entry.busy for entry in chosen)
    if age is not None:
        assert all(entry.busy or -entry.used <= age for entry in left)
    if keep is not None and not any(entry.busy for entry in left):
        assert sum(entry.size_bytes for entry in left) <= keep
    if age is None and keep is None:
        assert not chosen
