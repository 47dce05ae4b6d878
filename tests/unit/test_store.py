"""The store, with real processes: building at the same time, and killed in the middle."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import seals
from harness.deadline import Deadline
from harness.errors import InfrastructureError, UserError
from harness.store import Store, digest, short_key
from harness.store_use import Uses

REPOSITORY = Path(__file__).resolve().parents[2]

BUILDER = """
import sys, time
from pathlib import Path
from harness.store import Store

root, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def build(into):
    with log.open("a") as file:
        file.write("built\\n")
    (into / "half").write_text("half")
    time.sleep(seconds)
    (into / "whole").write_text("whole")

print(Store(root).provide("thing", "key", build), flush=True)
"""


def start_builder(root: Path, log: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(root), str(log), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def wait_for(path: Path) -> None:
    deadline = Deadline.after(20)
    while not path.exists():
        assert not deadline.expired, f"{path} never appeared"
        time.sleep(0.01)


def leftovers(root: Path) -> list[Path]:
    return list((root / ".building").iterdir())


def test_two_processes_asking_for_one_entry_build_it_once(tmp_path: Path) -> None:
    root, log = tmp_path / "store", tmp_path / "log"
    builders = [start_builder(root, log, 0.5) for _ in range(2)]
    paths = [builder.communicate(timeout=30)[0].strip() for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    assert paths[0] == paths[1]
    assert (Path(paths[0]) / "whole").read_text() == "whole"
    assert log.read_text() == "built\n"
    assert leftovers(root) == []


def test_a_builder_killed_in_the_middle_leaves_no_entry_and_no_lock(tmp_path: Path) -> None:
    root, log = tmp_path / "store", tmp_path / "log"
    victim = start_builder(root, log, 60)
    wait_for(log)
    assert Store(root).find("thing", "key") is None
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    assert len(leftovers(root)) == 1

    out, _ = start_builder(root, log, 0).communicate(timeout=20)
    assert (Path(out.strip()) / "whole").exists()
    assert leftovers(root) == []


def test_leftovers_are_removed_by_the_builder_of_another_entry(tmp_path: Path) -> None:
    root, log = tmp_path / "store", tmp_path / "log"
    victim = start_builder(root, log, 60)
    wait_for(log)
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    Store(root).provide("other", "key", lambda into: (into / "x").touch())
    assert leftovers(root) == []


def test_what_a_living_builder_has_so_far_is_left_alone(tmp_path: Path) -> None:
    root, log = tmp_path / "store", tmp_path / "log"
    builder = start_builder(root, log, 1)
    wait_for(log)
    Store(root).provide("other", "key", lambda into: (into / "x").touch())
    out, _ = builder.communicate(timeout=20)
    assert sorted(path.name for path in Path(out.strip()).iterdir()) == ["half", "whole"]


def test_an_entry_is_removed_while_another_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A builder clears away what killed ones left, and nothing that is being removed."""
    builder = start_builder(tmp_path / "store", tmp_path / "log", 0)
    out, _ = builder.communicate(timeout=20)
    store, gate = Store(tmp_path / "store"), Uses.gate
    builds = iter([True])

    @contextmanager
    def gate_after_a_build(uses: Uses) -> Iterator[None]:
        if next(builds, False):
            store.provide("other", "key", lambda into: (into / "x").touch())
        with gate(uses):
            yield

    monkeypatch.setattr(Uses, "gate", gate_after_a_build)
    assert store.remove("thing", "key")
    assert not Path(out.strip()).exists()
    assert leftovers(store.root) == []


def test_an_entry_that_somebody_is_about_to_use_is_not_removed(tmp_path: Path) -> None:
    builder = start_builder(tmp_path / "store", tmp_path / "log", 0)
    builder.communicate(timeout=20)
    store = Store(tmp_path / "store")
    with store.lock("thing-key", "uses it"):
        assert not store.remove("thing", "key")
    assert store.remove("thing", "key")
    assert not store.remove("thing", "key")


def test_who_waits_for_long_is_told_once_for_whom_and_for_what(tmp_path: Path) -> None:
    builder = start_builder(tmp_path / "store", tmp_path / "log", 3)
    wait_for(tmp_path / "log")
    heard: list[str] = []
    Store(tmp_path / "store", heard.append).provide("thing", "key", lambda _: None)
    builder.communicate(timeout=20)
    (line,) = heard
    assert re.fullmatch(
        rf"waiting for another daxhound( \(process {builder.pid}\))?, which makes thing/key", line
    )


def test_a_short_wait_is_no_news(tmp_path: Path) -> None:
    builder = start_builder(tmp_path / "store", tmp_path / "log", 0.3)
    wait_for(tmp_path / "log")
    heard: list[str] = []
    Store(tmp_path / "store", heard.append).provide("thing", "key", lambda _: None)
    builder.communicate(timeout=20)
    assert heard == []


def test_a_wait_for_another_thread_of_this_process_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says itself what it does."""
    monkeypatch.setattr("harness.store_use._SILENT_SECONDS", 0.05)
    heard: list[str] = []
    store, begun = Store(tmp_path, heard.append), threading.Event()

    def hold() -> None:
        with store.lock("thing-key", "makes thing/key"):
            begun.set()
            time.sleep(0.5)

    holder = threading.Thread(target=hold)
    holder.start()
    begun.wait(10)
    store.provide("thing", "key", lambda _: None)
    holder.join()
    assert heard == []


def test_a_digest_is_told_in_short() -> None:
    assert short_key(digest("x") + "-amd64-1") == digest("x")[:12] + "-amd64-1"
    assert short_key("linux-source-6.1_6.1.192-3") == "linux-source-6.1_6.1.192-3"


def test_a_failed_build_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(into: Path) -> None:
        (into / "half").touch()
        raise UserError("no such thing")

    with pytest.raises(UserError, match="no such thing"):
        store.provide("thing", "key", fail)
    assert store.find("thing", "key") is None
    assert leftovers(tmp_path) == []
    path = store.provide("thing", "key", lambda into: (into / "whole").touch())
    assert store.find("thing", "key") == path


def test_an_entry_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.provide("thing", "key", lambda into: (into / "first").touch())

    def never(_: Path) -> None:
        raise AssertionError("built twice")

    assert [path.name for path in store.provide("thing", "key", never).iterdir()] == ["first"]


def test_a_root_that_cannot_be_written_is_the_hosts_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file")
    with pytest.raises(InfrastructureError, match="the store at"):
        store.provide("thing", "key", lambda _: None)
    with pytest.raises(InfrastructureError, match="the store at"), store.lock("x", "waits"):
        raise AssertionError("held")


def test_what_fails_while_a_lock_is_held_is_no_failure_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Store(tmp_path).lock("x", "reads"):
        (tmp_path / "nowhere").read_bytes()


@pytest.mark.parametrize("word", ["", ".", "..", ".locks", "a/b"])
def test_names_that_would_leave_the_store_are_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        Store(tmp_path).find(word, "key")
    with pytest.raises(ValueError, match="cannot name"):
        Store(tmp_path).find("thing", word)


def test_the_cache_directory_can_be_chosen(tmp_path: Path) -> None:
    assert Store.default({"DAXHOUND_CACHE": str(tmp_path)}).root == tmp_path
    assert Store.default({}).root.name == "daxhound"


PART = st.text() | st.binary()


@given(st.lists(PART), st.lists(PART))
def test_digests_are_equal_only_for_equal_parts(
    first: list[str | bytes], second: list[str | bytes]
) -> None:
    assert (digest(*first) == digest(*second)) == (first == second)


def test_a_path_stands_for_the_content_of_its_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("same")
    other.write_text("same")
    assert digest(one) == digest(other)
    assert digest(one) not in {digest("same"), digest(b"same")}
    other.write_text("changed")
    assert digest(one) != digest(other)


def _file(text: str) -> Callable[[Path], None]:
    def build(into: Path) -> None:
        (into / "file").write_text(text)

    return build


@pytest.mark.parametrize("damage", [b"", b"tex", b"text!", b"tExt"])
def test_an_entry_whose_file_changed_is_made_again(tmp_path: Path, damage: bytes) -> None:
    said: list[str] = []
    store = Store(tmp_path, said.append)
    path = store.provide("kind", "key", _file("text")) / "file"
    assert store.find("kind", "key") is not None
    path.write_bytes(damage)
    assert store.provide("kind", "key", _file("text again")) == path.parent
    assert path.read_text() == "text again"
    assert said == [f"{path} is damaged; it is made again"]
    assert Store(tmp_path).find("kind", "key") == path.parent


def test_an_entry_that_lost_a_file_is_not_found(tmp_path: Path) -> None:
    said: list[str] = []
    entry = Store(tmp_path).provide("kind", "key", _file("text"))
    (entry / "file").unlink()
    assert Store(tmp_path, said.append).find("kind", "key") is None
    assert len(said) == 1
    assert not entry.exists()


def test_a_group_may_share_a_store(tmp_path: Path) -> None:
    """Whoever removes entries reads the notes of all users, and moves what others have made."""
    before = os.umask(0o002)
    try:
        entry = Store(tmp_path).provide("kind", "key", _file("text"))
    finally:
        os.umask(before)
    (note,) = (tmp_path / ".users").iterdir()
    assert note.stat().st_mode & 0o777 == 0o664
    assert entry.stat().st_mode & 0o777 == 0o775


@pytest.mark.parametrize("seal", ["", "null", "5", "[1]"])
def test_a_seal_that_is_damaged_is_as_none(tmp_path: Path, seal: str) -> None:
    store = Store(tmp_path)
    made = store.provide("thing", "key", _file("x"))
    (tmp_path / ".seals/thing-key.json").write_text(seal)
    assert store.find("thing", "key") == made
    assert set(store.sealed("thing", "key")) == {"file"}


def test_an_entry_of_before_there_were_seals_is_taken_as_it_is(tmp_path: Path) -> None:
    entry = Store(tmp_path).provide("kind", "key", _file("text"))
    shutil.rmtree(tmp_path / ".seals")
    assert Store(tmp_path).find("kind", "key") == entry
    (entry / "file").write_text("other")
    assert Store(tmp_path, lambda _: None).find("kind", "key") is None


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read for their digests; times count at once as those of old files."""
    read: list[Path] = []
    digest_of = seals._digest

    def follow(path: Path) -> str:
        read.append(path)
        return digest_of(path)

    monkeypatch.setattr(seals, "SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(seals, "_digest", follow)
    return read


def test_a_file_is_read_again_only_where_it_may_have_changed(
    tmp_path: Path, settled: list[Path]
) -> None:
    store = Store(tmp_path)
    path = store.provide("kind", "key", _file("text")) / "file"
    del settled[:]
    for _ in range(3):
        assert store.find("kind", "key") == path.parent
    assert settled == [path]
    os.utime(path)
    assert store.find("kind", "key") == path.parent
    assert settled == [path, path]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("replace", [False, True])
def test_a_change_is_seen_whatever_the_file_says_of_its_time(tmp_path: Path, replace: bool) -> None:
    store = Store(tmp_path, lambda _: None)
    path = store.provide("kind", "key", _file("text")) / "file"
    assert store.find("kind", "key") is not None
    before = path.stat()
    if replace:
        path.unlink()
    path.write_text("tExt")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.find("kind", "key") is None


def test_a_file_is_read_again_after_a_day(
    tmp_path: Path, settled: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    path = store.provide("kind", "key", _file("text")) / "file"
    store.find("kind", "key")
    del settled[:]
    monkeypatch.setattr(seals, "_TRUSTED_SECONDS", 0.0)
    assert store.find("kind", "key") is not None
    assert settled == [path]


def test_what_was_written_a_moment_ago_is_read_each_time(
    tmp_path: Path, settled: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "SETTLED_SECONDS", 3.0)
    store = Store(tmp_path)
    path = store.provide("kind", "key", _file("text")) / "file"
    del settled[:]
    store.find("kind", "key")
    store.find("kind", "key")
    assert settled == [path, path]


def test_an_entry_that_another_takes_away_as_damaged_is_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a look at the entry and one at its seal, which is gone with it."""
    store = Store(tmp_path, lambda _: None)
    entry = store.provide("thing", "key", lambda into: (into / "x").touch())
    look = seals.damaged_file

    def look_too_late(path: Path, seal: Path) -> str | None:
        shutil.rmtree(entry)
        seals.remove_seal(seal)
        return look(path, seal)

    monkeypatch.setattr("harness.store.damaged_file", look_too_late)
    assert store.find("thing", "key") is None
