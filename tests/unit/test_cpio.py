"""The newc archives: read back by a second, strict reader, and by cpio(1)'s rules."""

from __future__ import annotations

import stat
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.image import cpio


@dataclass(frozen=True)
class Member:
    """One member as the kernel's init/initramfs.c takes it apart."""

    name: str
    ino: int
    mode: int
    uid: int
    gid: int
    nlink: int
    mtime: int
    rdev: tuple[int, int]
    body: bytes


def read_archive(data: bytes) -> list[Member]:
    """Members up to the trailer, which must end the data."""
    members: list[Member] = []
    at = 0
    while True:
        assert at % 4 == 0
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        ino, mode, uid, gid, nlink, mtime, size, *_, major, minor, name_size, check = fields
        name = data[at + 110 : at + 110 + name_size]
        assert name.endswith(b"\0")
        assert check == 0
        start = at + -(-(110 + name_size) // 4) * 4
        body = data[start : start + size]
        at = start + -(-size // 4) * 4
        if name == b"TRAILER!!!\0":
            assert at == len(data)
            return members
        text = name[:-1].decode()
        members.append(Member(text, ino, mode, uid, gid, nlink, mtime, (major, minor), body))


names = st.text("abc-é.", min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
files = st.dictionaries(paths, st.binary(max_size=9), max_size=6)


@given(files)
def test_everything_comes_back_sorted_and_owned_by_root(contents: dict[str, bytes]) -> None:
    entries = [cpio.file(path, data) for path, data in contents.items()]
    members = read_archive(cpio.write_archive(entries))
    assert {member.name: member.body for member in members} == contents
    assert [m.name.split("/") for m in members] == sorted(m.name.split("/") for m in members)
    assert {(m.uid, m.gid, m.mtime) for m in members} <= {(0, 0, 0)}


@given(files, st.randoms())
def test_order_of_entries_does_not_show(contents: dict[str, bytes], random: object) -> None:
    entries = [cpio.file(path, data) for path, data in contents.items()]
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cpio.write_archive(shuffled) == cpio.write_archive(entries)


@given(files)
def test_archives_can_follow_one_another(contents: dict[str, bytes]) -> None:
    archive = cpio.write_archive(cpio.file(path, data) for path, data in contents.items())
    assert len(archive) % 4 == 0


def test_kinds_and_modes() -> None:
    archive = cpio.write_archive(
        [
            cpio.file("f", b"x", 0o755),
            cpio.directory("d", 0o700),
            cpio.symlink("l", "../some/where"),
            cpio.device("c", 5, 1),
        ]
    )
    by_name = {member.name: member for member in read_archive(archive)}
    assert by_name["f"].mode == stat.S_IFREG | 0o755
    assert by_name["d"].mode == stat.S_IFDIR | 0o700
    assert by_name["l"].mode == stat.S_IFLNK | 0o777
    assert by_name["l"].body == b"../some/where"
    assert by_name["c"].mode == stat.S_IFCHR | 0o600
    assert by_name["c"].rdev == (5, 1)


def test_inode_numbers_differ() -> None:
    """The kernel links files of one inode number together where nlink is above 1."""
    members = read_archive(cpio.write_archive(cpio.directory(name) for name in "abc"))
    assert len({member.ino for member in members}) == 3


def test_parents_come_first_and_given_ones_keep_their_mode() -> None:
    entries = cpio.with_parents([cpio.file("root/.ssh/key", b""), cpio.directory("root", 0o700)])
    members = read_archive(cpio.write_archive(entries))
    assert [member.name for member in members] == ["root", "root/.ssh", "root/.ssh/key"]
    assert members[0].mode == stat.S_IFDIR | 0o700
    assert members[1].mode == stat.S_IFDIR | 0o755


@pytest.mark.parametrize(
    "path", ["", ".", "/", "/etc", "..", "../x", "a/../../x", "a/..", "./a", "a//b", "a/", "a\0b"]
)
def test_paths_that_are_not_plain_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        cpio.file(path, b"")


def test_one_path_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="given twice: a"):
        cpio.write_archive([cpio.file("a", b"1"), cpio.symlink("a", "b")])
