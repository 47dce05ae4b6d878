"""Entries of the store on their way to another store: whole, checked, once."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cluster import parcel
from harness.cluster.folder import pack_folder, unpack_folder
from harness.cluster.parcel import Parcel, ParcelFile, read_piece, rooted, take_in, unrooted
from harness.errors import InfrastructureError
from harness.store import Store
from tests.support.provisions import provisions_in

CONTENT = {"vmlinux": bytes(range(256)) * 40, "config": b"CONFIG_ZONE_DEVICE=y\n", "empty": b""}


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Store]:
    """The sender's store with one entry, and the receiver's without; pieces are small."""
    monkeypatch.setattr(parcel, "PIECE_BYTES", 1000)
    sender = Store(tmp_path / "sender")

    def build(into: Path) -> None:
        for name, content in CONTENT.items():
            (into / name).write_bytes(content)

    sender.provide("kernel", "key", build)
    return sender, Store(tmp_path / "receiver")


def described(store: Store) -> Parcel:
    sealed = store.sealed("kernel", "key")
    files = (ParcelFile(name, len(CONTENT[name]), digest) for name, digest in sealed.items())
    return Parcel("kernel", "key", tuple(files))


class Sender:
    """Answers a worker, and counts what it was asked for."""

    def __init__(self, store: Store, change: Callable[[bytes], bytes] = bytes) -> None:
        self.store = store
        self.change = change
        self.offsets: list[int] = []
        self.cut_after: int | None = None

    def ask(self, kind: str, key: str, name: str, offset: int) -> bytes:
        if self.cut_after is not None and len(self.offsets) >= self.cut_after:
            raise InfrastructureError("no answer")
        self.offsets.append(offset)
        return self.change(read_piece(self.store, kind, key, name, offset))


def test_an_entry_arrives_in_pieces_and_once(stores: tuple[Store, Store]) -> None:
    sender, receiver = stores
    whole = Sender(sender)
    take_in(receiver, [described(sender)], whole.ask)
    entry = receiver.find("kernel", "key")
    assert entry is not None
    assert {path.name: path.read_bytes() for path in entry.iterdir()} == CONTENT
    assert receiver.sealed("kernel", "key") == sender.sealed("kernel", "key")
    asked = len(whole.offsets)
    assert asked == 11 + 1
    take_in(receiver, [described(sender)], whole.ask)
    assert len(whole.offsets) == asked


def test_a_transfer_that_was_cut_goes_on_where_it_stopped(stores: tuple[Store, Store]) -> None:
    sender, receiver = stores
    first, second = Sender(sender), Sender(sender)
    first.cut_after = 5
    with pytest.raises(InfrastructureError, match="no answer"):
        take_in(receiver, [described(sender)], first.ask)
    assert receiver.find("kernel", "key") is None
    take_in(receiver, [described(sender)], second.ask)
    assert receiver.find("kernel", "key") is not None
    assert sorted(first.offsets + second.offsets) == sorted([0, *range(0, 10240, 1000)])


def test_what_nobody_went_on_with_is_swept(stores: tuple[Store, Store]) -> None:
    sender, receiver = stores
    arriving = receiver.root / ".arriving"
    arriving.mkdir(parents=True)
    for name, age in (("old", 8 * 86400), ("new", 3600)):
        (arriving / name).touch()
        os.utime(arriving / name, (time.time() - age,) * 2)
    take_in(receiver, [described(sender)], Sender(sender).ask)
    assert [path.name for path in arriving.iterdir()] == ["new"]


def test_what_arrives_damaged_is_asked_for_again(stores: tuple[Store, Store]) -> None:
    sender, receiver = stores
    damaged = iter([lambda data: data[:-1] + b"?"])
    once = Sender(sender, lambda data: next(damaged, bytes)(data))
    take_in(receiver, [described(sender)], once.ask)
    assert receiver.sealed("kernel", "key") == sender.sealed("kernel", "key")


def test_what_never_arrives_whole_is_no_entry(stores: tuple[Store, Store]) -> None:
    sender, receiver = stores
    always = Sender(sender, lambda data: b"?" * len(data))
    with pytest.raises(InfrastructureError, match="does not arrive as it was sent"):
        take_in(receiver, [described(sender)], always.ask)
    with pytest.raises(InfrastructureError, match="ends after 0 bytes"):
        take_in(receiver, [described(sender)], Sender(sender, lambda _: b"").ask)
    assert receiver.find("kernel", "key") is None


def test_a_seal_that_is_not_there_is_told(stores: tuple[Store, Store]) -> None:
    _, receiver = stores
    with pytest.raises(InfrastructureError, match="the seal of kernel/key"):
        receiver.sealed("kernel", "key")


def test_provisions_are_the_same_in_another_store(tmp_path: Path) -> None:
    here, there = provisions_in(tmp_path / "here"), provisions_in(tmp_path / "there")
    moved = rooted(unrooted(here, tmp_path / "here"), tmp_path / "there")
    assert moved.kernel.source == Path()  # stays behind
    assert replace(moved, kernel=replace(moved.kernel, source=there.kernel.source)) == there


def test_a_folder_comes_back_without_the_result_of_its_own(tmp_path: Path) -> None:
    folder, back = tmp_path / "there", tmp_path / "here"
    folder.mkdir()
    (folder / "console.log").write_bytes(b"\x1b[31mred\x00")
    (folder / "result.json").write_text("{}")
    unpack_folder(pack_folder(folder), back)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == {
        "console.log": b"\x1b[31mred\x00"
    }


def test_digests_are_those_of_the_files(stores: tuple[Store, Store]) -> None:
    sender, _ = stores
    assert sender.sealed("kernel", "key") == {
        name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()
    }
