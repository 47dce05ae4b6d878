"""Patched kernels in little: what comes out again, what stays whole, and what damage leads to."""

from __future__ import annotations

import lzma
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.kernel.deltas import drop_whole, keep_delta, unfold_kernel
from harness.kernel.folded import fold_files, unfold_files
from harness.store import Store
from tests.support.checkout import ROOT
from tests.support.store_use import kernel_in_use, used_by_another

KILLED = """
import os, signal, sys
from pathlib import Path
from harness.kernel import deltas, folded
from harness.store import Store

folded.fold_files = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
deltas.keep_delta(Store(Path(sys.argv[1])), "one", "base", "bzImage")
"""


ENDED = """
import sys
from pathlib import Path
from harness.kernel import deltas
from harness.store import Store

deltas.tidy_soon(Store(Path(sys.argv[1])), "one", "base", "bzImage")
"""


class World:
    """A store with a base, and patched kernels of it."""

    def __init__(self, root: Path) -> None:
        self.told: list[str] = []
        self.store = Store(root, self.told.append)
        self._chance = random.Random(7)
        self._code = self._chance.randbytes(50_000)
        self.make("base", self._code)

    def make(self, key: str, code: bytes) -> None:
        """A kernel, and what is made of it for a guest."""

        def build(into: Path) -> None:
            (into / "vmlinux").write_bytes(b"\x7fELF\x02\x02" + code)
            (into / "bzImage").write_bytes(b"boot" + code)
            (into / "facts.json").write_text(key)
            (into / "modules/kernel").mkdir(parents=True)
            (into / "modules/kernel/own.ko").write_bytes(code[:100])
            (into / "vmlinux").chmod(0o755)

        self.store.provide("kernel", key, build)
        self.store.provide("fixed-kernel", f"{key}-flushes", lambda _: None)
        self.store.provide("patched-source", f"view of {key}", lambda _: None)

    def patch(self, key: str) -> None:
        """One more patched kernel, used now, with its delta."""
        place = self._chance.randrange(len(self._code))
        self.make(key, self._code[:place] + key.encode() * 9 + self._code[place:])
        keep_delta(self.store, key, "base", "bzImage")

    def kept(self, kind: str) -> set[str]:
        return {path.name for path in self.store.root.glob(f"{kind}/*")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "store")


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mode) for p in files}


def unfold(world: World, key: str, into: Path) -> bool:
    into.mkdir()
    return unfold_kernel(world.store, key, into)


def test_a_kernel_comes_out_of_its_delta_as_it_was(world: World, tmp_path: Path) -> None:
    world.patch("one")
    assert unfold(world, "one", tmp_path / "into")
    assert content(tmp_path / "into") == content(world.store.root / "kernel/one")
    (delta,) = world.store.root.glob("kernel-delta/one/*")
    assert delta.stat().st_size < 3000
    assert world.told == []


def test_what_nobody_uses_is_not_kept_whole(world: World) -> None:
    for key in ("one", "two"):
        world.patch(key)
    drop_whole(world.store, 0)
    assert world.kept("kernel") == {"base", "one", "two"}  # this process uses them
    used_by_another(world.store)
    world.store.find("kernel", "two")
    world.store.find("patched-source", "view of two")
    drop_whole(world.store, 0)
    assert world.kept("kernel") == {"base", "two"}
    assert world.kept("fixed-kernel") == {"base-flushes", "two-flushes"}
    assert world.kept("patched-source") == {"view of two"}
    assert world.kept("kernel-delta") == {"one", "two"}


def test_what_was_used_within_the_hour_stays_whole(world: World) -> None:
    world.patch("one")
    for seconds, kept in ((3500, {"base", "one"}), (3700, {"base"})):
        used_by_another(world.store, seconds)
        drop_whole(world.store)
        assert world.kept("kernel") == kept


def test_a_kernel_without_a_delta_stays_whole(world: World) -> None:
    world.make("lonely", b"code")
    keep_delta(world.store, "lonely", "nowhere", "bzImage")
    used_by_another(world.store)
    drop_whole(world.store, 0)
    assert world.kept("kernel") == {"base", "lonely"}


def test_what_a_living_process_uses_stays(world: World) -> None:
    for key in ("one", "two"):
        world.patch(key)
    used_by_another(world.store)
    with kernel_in_use(world.store, "two"):
        drop_whole(world.store, 0)
        assert world.kept("kernel") == {"base", "two"}
    drop_whole(world.store, 0)
    assert world.kept("kernel") == {"base"}


def test_what_a_killed_one_left_of_a_kernel_goes_with_the_next(world: World) -> None:
    """Killed when the kernel was gone, and what was made of it was not."""
    world.patch("one")
    used_by_another(world.store)
    world.store.remove("kernel", "one")
    drop_whole(world.store, 0)
    assert world.kept("fixed-kernel") == {"base-flushes"}


def test_killed_while_it_folds_the_next_folds(world: World, tmp_path: Path) -> None:
    world.make("one", b"code")
    command = [sys.executable, "-c", KILLED, str(world.store.root)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert world.kept("kernel-delta") == set()
    keep_delta(world.store, "one", "base", "bzImage")
    assert unfold(world, "one", tmp_path / "into")
    assert list((world.store.root / ".building").iterdir()) == []


def test_a_delta_that_is_made_beside_is_there_when_the_process_has_ended(
    world: World, tmp_path: Path
) -> None:
    world.make("one", b"code")
    command = [sys.executable, "-c", ENDED, str(world.store.root)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert world.kept("kernel-delta") == {"one"}
    assert unfold(world, "one", tmp_path / "into")


def test_a_damaged_delta_is_told_and_gone(world: World, tmp_path: Path) -> None:
    world.patch("one")
    (delta,) = world.store.root.glob("kernel-delta/one/*")
    delta.write_bytes(delta.read_bytes()[:-1])
    assert not unfold(world, "one", tmp_path / "into")
    assert "is damaged" in world.told[0]
    assert world.kept("kernel-delta") == set()


@pytest.mark.parametrize("seal", [True, False])
def test_another_base_is_told_and_leaves_nothing(world: World, tmp_path: Path, seal: bool) -> None:
    """A base of that key that was made again and came out differently."""
    world.patch("one")
    (world.store.root / "kernel/base/vmlinux").write_bytes(b"another")
    if seal:
        (world.store.root / ".seals/kernel-base.json").unlink()
    assert not unfold(world, "one", tmp_path / "into")
    (told,) = world.told
    assert ("vmlinux is damaged" in told) is not seal
    assert ("the kernel is built again" in told) is seal
    assert list((tmp_path / "into").iterdir()) == []
    assert world.kept("kernel-delta") == (set() if seal else {"one"})


def test_a_file_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    for name in ("kernel", "base", "into"):
        (tmp_path / name).mkdir()
    (tmp_path / "kernel/vmlinux").write_bytes(b"a kernel")
    folded = fold_files(tmp_path / "kernel", tmp_path / "base", "vmlinux")
    forged = lzma.compress(lzma.decompress(folded).replace(b'"vmlinux"', b'"../none"'))
    with pytest.raises(ValueError, match="leads out"):
        unfold_files(forged, tmp_path / "base", tmp_path / "into")
    assert not (tmp_path / "none").exists()


def test_a_base_that_is_gone_leads_to_a_build(world: World, tmp_path: Path) -> None:
    world.patch("one")
    used_by_another(world.store)
    assert world.store.remove("kernel", "base")
    assert not unfold(world, "one", tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_store_that_takes_nothing_has_its_kernel_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.make("one", b"code")

    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.kernel.folded.fold_files", full)
    keep_delta(world.store, "one", "base", "bzImage")
    assert world.kept("kernel-delta") == set()
    assert world.kept("kernel") == {"base", "one"}
