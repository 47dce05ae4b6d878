"""What somebody's own files hold: by content, and read again only where they may have changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.kernel import contents, tree
from harness.kernel.contents import Contents, identify, read_contents
from harness.store import Store

OLD = 1_600_000_000


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    root = tmp_path / "linux"
    (root / "mm").mkdir(parents=True)
    for name in ("Makefile", "mm/gup.c", "mm/pin.c"):
        (root / name).write_text(name)
    (root / "link").symlink_to("Makefile")
    return root


@pytest.fixture
def read(linux: Path, tmp_path: Path) -> Callable[[], Contents]:
    store = Store(tmp_path / "store")
    return lambda: read_contents(linux, tree.look_at(linux, tree.list_files(linux)), store)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything was written long ago."""
    monkeypatch.setattr(contents, "_SETTLED_NS", -(10**9))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read since."""
    names: list[str] = []
    digest_file = contents._digest

    def digest(file: Path) -> str:
        names.append(file.name)
        return digest_file(file)

    monkeypatch.setattr(contents, "_digest", digest)
    return names


@pytest.mark.usefixtures("settled")
def test_only_what_changed_is_read_again(
    linux: Path, read: Callable[[], Contents], opened: list[str]
) -> None:
    first = read()
    assert sorted(opened) == ["Makefile", "gup.c", "link", "pin.c"]
    opened.clear()
    assert read() == first
    assert opened == []
    (linux / "mm/pin.c").write_text("other")
    (linux / "mm/new.c").write_text("new")
    (linux / "mm/gup.c").unlink()
    second = read()
    assert sorted(opened) == ["new.c", "pin.c"]
    assert set(second) == {"Makefile", "link", "mm/new.c", "mm/pin.c"}


def test_what_was_written_just_now_may_change_once_more(
    linux: Path, read: Callable[[], Contents], opened: list[str]
) -> None:
    """Twice within what times tell apart, with as many bytes."""
    before = read()
    file = linux / "mm/pin.c"
    look = file.stat()
    file.write_text("mm/pin.d")
    os.utime(file, ns=(look.st_atime_ns, look.st_mtime_ns))
    opened.clear()
    after = read()
    assert after["mm/pin.c"].digest != before["mm/pin.c"].digest
    assert after["mm/pin.c"].mtime_ns == before["mm/pin.c"].mtime_ns
    assert len(opened) == 4


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"Makefile": 1}', b'{"Makefile": [1, 2]}'])
def test_damaged_notes_are_no_notes(
    tmp_path: Path, read: Callable[[], Contents], damage: bytes
) -> None:
    first = read()
    (notes,) = (tmp_path / "store/trees").iterdir()
    notes.write_bytes(damage)
    assert read() == first


def test_the_identity_is_of_names_modes_and_contents(
    linux: Path, read: Callable[[], Contents]
) -> None:
    seen = [identify(read())]

    def other() -> bool:
        seen.append(identify(read()))
        return len(set(seen)) == len(seen)

    (linux / "mm/pin.c").write_text("other")
    assert other()
    (linux / "mm/pin.c").chmod(0o755)
    assert other()
    (linux / "mm/pin.c").rename(linux / "mm/pins.c")
    assert other()
    (linux / "link").unlink()
    (linux / "link").symlink_to("mm")
    assert other()
    os.utime(linux / "Makefile", (OLD, OLD))
    assert not other()
