"""The work area: switched file by file, trusted only where the last user came to an end."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InfrastructureError, KernelFailure, UserError
from harness.kernel import plain_file, tree, work_area
from harness.kernel.contents import Contents, read_contents
from harness.kernel.own_objects import hold_own_objects
from harness.kernel.packed_objects import pack_objects
from harness.kernel.plain_file import File
from harness.kernel.source import Source
from harness.kernel.work_area import WorkArea, hold_work_area
from harness.progress import Silence
from harness.store import Store
from tests.support.sandbox import needs_sandbox

FILES = {"Makefile": "VERSION = 6\n", "mm/gup.c": "gup\n", "mm/pin.c": "pin\n", "fs/dax.c": "dax\n"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def base(tmp_path: Path) -> Source:
    return make_base(tmp_path / "linux", "base 1")


@pytest.fixture
def own(base: Source) -> Source:
    """Somebody's own tree, which may be edited at any time."""
    return replace(base, fingerprint=tree.fingerprint(base.path))


def make_base(root: Path, identity: str) -> Source:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Source(root, (6, 1, 0), identity)


def files(**texts: str | None) -> dict[str, File | None]:
    return {
        name.replace("__", "/").replace("_", "."): None
        if text is None
        else File(text.encode(), False)
        for name, text in texts.items()
    }


def read(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


def times(root: Path) -> Mapping[str, int]:
    return {str(p.relative_to(root)): p.stat().st_ctime_ns for p in root.rglob("*") if p.is_file()}


def test_switching_writes_only_what_differs(store: Store, own: Source) -> None:
    untouched = times(own.path)
    with hold_work_area(store, own, Silence()) as area:
        assert area.switch(files(mm__gup_c="GUP\n", mm__new_c="new\n", fs__dax_c=None)) == 3
        assert read(area.tree) == {
            "Makefile": "VERSION = 6\n", "mm/gup.c": "GUP\n", "mm/new.c": "new\n",
            "mm/pin.c": "pin\n",
        }  # fmt: skip
        assert not (area.tree / "fs").exists()
        before = times(area.tree)
        assert area.switch(files(mm__gup_c="GUP\n", mm__new_c="newer\n", fs__dax_c=None)) == 1
        after = times(area.tree)
        assert {name for name in after if after[name] != before[name]} == {"mm/new.c"}
        assert area.switch({}) == 3
        assert read(area.tree) == FILES
    assert read(own.path) == FILES
    assert times(own.path) == untouched


@needs_sandbox
def test_the_stores_own_source_is_not_copied_and_stays(store: Store, base: Source) -> None:
    before = {path: path.stat().st_mode for path in base.path.rglob("*")}
    with hold_work_area(store, base, Silence()) as area:
        assert (area.tree / "mm/pin.c").samefile(base.path / "mm/pin.c")
        area.switch({"mm/pin.c": File(b"PIN\n", True), "mm/gup.c": None})
        assert (area.tree / "mm/pin.c").read_text() == "PIN\n"
        area.switch({})
        assert read(area.tree) == FILES
    assert read(base.path) == FILES
    assert {path: path.stat().st_mode for path in base.path.rglob("*")} == before


@pytest.mark.usefixtures("open_builds")
def test_without_the_sandbox_the_source_is_copied(store: Store, base: Source) -> None:
    with hold_work_area(store, base, Silence()) as area:
        assert not (area.tree / "mm/pin.c").samefile(base.path / "mm/pin.c")


def test_somebodys_own_tree_is_copied(store: Store, own: Source) -> None:
    with hold_work_area(store, own, Silence()) as area:
        assert not (area.tree / "mm/pin.c").samefile(own.path / "mm/pin.c")


def test_a_file_becomes_a_folder_and_back(store: Store, base: Source) -> None:
    with hold_work_area(store, base, Silence()) as area:
        area.switch(files(fs__dax_c=None, fs="now a file\n"))
        assert (area.tree / "fs").read_text() == "now a file\n"
        area.switch({})
        assert read(area.tree) == FILES


def test_the_mode_is_part_of_a_file(store: Store, base: Source) -> None:
    with hold_work_area(store, base, Silence()) as area:
        area.switch({"mm/gup.c": File(b"gup\n", True)})
        assert os.access(area.tree / "mm/gup.c", os.X_OK)
        assert area.switch({}) == 1
        assert not os.access(area.tree / "mm/gup.c", os.X_OK)


def test_the_area_is_made_once_and_stays_on_its_path(store: Store, base: Source) -> None:
    with hold_work_area(store, base, Silence()) as area:
        area.switch(files(mm__gup_c="GUP\n"))
        path = area.tree
    with hold_work_area(store, base, Silence()) as area:
        assert area.tree == path
        assert area.switch(files(mm__gup_c="GUP\n")) == 0


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_switch_that_was_cut_short_is_put_right(
    store: Store, base: Source, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    wanted = files(mm__gup_c="GUP\n", mm__new_c="new\n", mm__pin_c="PIN\n")
    done: list[str] = []

    def write(tree: Path, path: str, file: File) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        plain_file.write_file(tree, path, file)

    with monkeypatch.context() as patched:
        patched.setattr(work_area, "write_file", write)
        with pytest.raises(KeyboardInterrupt), hold_work_area(store, base, Silence()) as area:
            area.switch(wanted)
    with hold_work_area(store, base, Silence()) as area:
        area.switch(files(fs__dax_c="DAX\n"))
        assert read(area.tree) == {**FILES, "fs/dax.c": "DAX\n"}


def test_a_copy_that_was_cut_short_is_made_again(
    store: Store, base: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_files = tree.copy_files

    def copy(source: Path, names: tuple[str, ...], into: Path, *, link: bool) -> None:
        copy_files(source, names[:1], into, link=link)
        raise InfrastructureError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(tree, "copy_files", copy)
        with pytest.raises(InfrastructureError), hold_work_area(store, base, Silence()):
            pass
    with hold_work_area(store, base, Silence()) as area:
        assert read(area.tree) == FILES


def build(area: WorkArea, key: str, name: str = "gup.o") -> set[str]:
    """What an object tree held before another object was put there."""
    with area.objects(key) as folder:
        found = {path.name for path in folder.iterdir()}
        (folder / name).write_text(name)
    return found


def test_objects_stay_for_each_key(store: Store, base: Source) -> None:
    with hold_work_area(store, base, Silence()) as area:
        assert build(area, "x86") == set()
        assert build(area, "arm64", "pin.o") == set()
        assert build(area, "x86") == {"gup.o"}
    with hold_work_area(store, base, Silence()) as area:
        assert build(area, "arm64") == {"pin.o"}


@pytest.mark.parametrize(
    ("trouble", "stays"),
    [
        (KernelFailure("does not compile"), True),
        (UserError("no such symbol"), True),
        (InfrastructureError("disk full"), False),
        (KeyboardInterrupt(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_are_trusted_where_make_came_to_its_end(
    store: Store, base: Source, trouble: BaseException, stays: bool
) -> None:
    with hold_work_area(store, base, Silence()) as area:
        build(area, "x86")

        def fail() -> None:
            with area.objects("x86"):
                raise trouble

        with pytest.raises(type(trouble)):
            fail()
        assert build(area, "x86") == ({"gup.o"} if stays else set())


def test_objects_of_a_killed_make_are_thrown_away(store: Store, base: Source) -> None:
    """As kill -9 leaves it: nothing of this program runs any more."""
    if (child := os.fork()) == 0:
        try:
            with hold_work_area(store, base, Silence()) as area:
                build(area, "x86")
                with area.objects("x86") as folder:
                    (folder / "half.o").write_text("ha")
                    os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with hold_work_area(store, base, Silence()) as area:
        assert build(area, "x86") == set()


def test_objects_from_the_future_are_thrown_away(store: Store, base: Source) -> None:
    """make would take a changed file for older than them."""
    with hold_work_area(store, base, Silence()) as area:
        build(area, "x86")
        (marker,) = area.root.glob("objects/*.finished")
        later = time.time() + 3600
        os.utime(marker, (later, later))
        area.switch(files(mm__gup_c="GUP\n"))
        assert build(area, "x86") == set()


OBJECTS = ("gup.o", ".gup.o.cmd", "gup_test.o", "pin.o", "internal.o", "gup.dtb")


def make_objects(tree: Path) -> None:
    (tree / "mm/gup.d").mkdir(parents=True)
    for name in OBJECTS:
        (tree / "mm" / name).write_text(name)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_objects_of_a_source_that_is_gone_go_with_it(store: Store, base: Source) -> None:
    """make has no rule for them, and takes them for up to date."""
    with hold_work_area(store, base, Silence()) as area:
        area.switch({"mm/internal.h": File(b"h", False)})
        for key in ("x86", "arm64"):
            with area.objects(key) as folder:
                make_objects(folder)
        area.switch(files(mm__gup_c=None))
        with area.objects("x86") as folder:
            assert left_in(folder / "mm") == {"gup_test.o", "pin.o", "internal.o"}
        area.switch(files(fs__dax_c=None))
        with area.objects("arm64") as folder:
            assert left_in(folder / "mm") == set(OBJECTS)


@needs_sandbox
def test_of_what_was_packed_nothing_is_there_whose_source_is_gone(
    store: Store, base: Source, tmp_path: Path
) -> None:
    make_objects(tmp_path / "built")
    packed = pack_objects(store, "base", tmp_path / "built")
    time.sleep(0.02)
    with hold_work_area(store, base, Silence()) as area:
        area.switch(files(mm__gup_c=None))
        with area.objects("x86", packed) as folder:
            assert left_in(folder / "mm") == {"gup_test.o", "pin.o", "internal.o"}


def test_a_link_in_an_object_tree_leads_to_nothing_that_is_removed(
    store: Store, base: Source, tmp_path: Path
) -> None:
    """As a stranger's Makefile may put one there."""
    make_objects(tmp_path / "mine")
    with hold_work_area(store, base, Silence()) as area:
        with area.objects("x86") as folder:
            (folder / "mm").symlink_to(tmp_path / "mine/mm")
        area.switch(files(mm__gup_c=None))
        with area.objects("x86"):
            pass
    assert left_in(tmp_path / "mine/mm") == set(OBJECTS)


def test_objects_of_somebodys_own_tree_go_with_their_source(store: Store, own: Source) -> None:
    def contents() -> Contents:
        names = tree.list_files(own.path)
        return read_contents(own.path, tree.look_at(own.path, names), store)

    with hold_own_objects(store, own, contents(), "x86") as folder:
        make_objects(folder)
    (own.path / "mm/gup.c").unlink()
    edited = replace(own, fingerprint=tree.fingerprint(own.path))
    with hold_own_objects(store, edited, contents(), "x86") as folder:
        assert left_in(folder / "mm") == {"gup_test.o", "pin.o", "internal.o"}


@needs_sandbox
def test_a_new_object_tree_begins_with_what_was_packed(
    store: Store, base: Source, tmp_path: Path
) -> None:
    built = tmp_path / "built"
    (built / "mm").mkdir(parents=True)
    for name in ("mm/gup.o", "vmlinux", "vmlinux.o", "mm/vmlinux.lds"):
        (built / name).write_text(name)
    packed = pack_objects(store, "base", built)
    with hold_work_area(store, base, Silence()) as area:
        area.switch({})
        with area.objects("x86", packed) as folder:
            found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
            assert found == {"mm/gup.o", "mm/vmlinux.lds"}
            (folder / "mine.o").write_text("mine")
        with area.objects("x86", packed) as folder:
            assert (folder / "mine.o").exists()
            (folder / "mm/gup.o").unlink(missing_ok=True)
        with area.objects("x86", packed) as folder:
            assert not (folder / "mm/gup.o").exists()


@needs_sandbox
@pytest.mark.parametrize("ago_seconds", [3600.0, -3600.0])
def test_of_what_was_packed_only_what_patches_change_is_made_again(
    store: Store, base: Source, tmp_path: Path, ago_seconds: float
) -> None:
    """Not what an earlier series had patched and this one has not; whatever clock packed it."""
    built = tmp_path / "built"
    (built / "mm").mkdir(parents=True)
    then = time.time_ns() - int(ago_seconds * 1e9)
    for name, after in (("first.h", 0), ("mm/gup.o", 5), ("mm/pin.o", 5), ("last.o", 9)):
        (built / name).touch()
        os.utime(built / name, ns=(then + after, then + after))
    packed = pack_objects(store, "base", built)
    with hold_work_area(store, base, Silence()) as area:
        area.switch(files(mm__gup_c="GUP\n", mm__pin_c="PIN\n"))
        wanted = files(mm__gup_c="GUP\n", fs__dax_c=None)
        area.switch(wanted)
        with area.objects("x86", packed) as folder:
            made = {p.name: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
        assert made["first.h"] < made["gup.o"] == made["pin.o"]
        assert made["pin.o"] < made["last.o"]
        assert (area.tree / "mm/pin.c").stat().st_mtime_ns <= made["first.h"]
        assert (area.tree / "mm/gup.c").stat().st_mtime_ns > made["last.o"]


def test_an_edited_base_makes_no_area(store: Store, base: Source) -> None:
    seen = tree.fingerprint(base.path)
    mine = Source(base.path, base.version, base.identity, fingerprint=seen)
    (base.path / "mm/gup.c").write_text("edited\n")
    with pytest.raises(UserError, match="was changed"), hold_work_area(store, mine, Silence()):
        pass


def test_a_base_edited_while_switching_is_seen_and_put_right(store: Store, base: Source) -> None:
    seen = tree.fingerprint(base.path)
    mine = Source(base.path, base.version, base.identity, fingerprint=seen)
    with hold_work_area(store, mine, Silence()) as area:
        area.switch(files(mm__gup_c="GUP\n"))
        (base.path / "mm/gup.c").write_text("edited\n")
        with pytest.raises(UserError, match="was changed"):
            area.switch({})
    (base.path / "mm/gup.c").write_text(FILES["mm/gup.c"])
    with hold_work_area(store, base, Silence()) as area:
        area.switch({})
        assert read(area.tree) == FILES


def test_old_areas_and_objects_make_room(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_area, "_KEPT_AREAS", 2)
    monkeypatch.setattr(work_area, "_KEPT_OBJECT_TREES", 2)
    bases = [make_base(tmp_path / f"linux{n}", f"base {n}") for n in range(3)]
    for number in (0, 1, 0, 2):
        time.sleep(0.02)
        with hold_work_area(store, bases[number], Silence()) as area:
            build(area, "x86")
    left = {area.name for area in (store.root / "work").iterdir()}
    assert len(left) == 2
    with hold_work_area(store, bases[0], Silence()) as area:
        assert area.root.name in left
        assert build(area, "x86") == {"gup.o"}
        for key in ("arm64", "s390"):
            time.sleep(0.02)
            build(area, key)
        assert {path.name for path in area.root.glob("objects/*/")} == {"arm64", "s390"}


def test_two_runs_may_make_room_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one removes an area that this one has just found, and the rest that it chose."""
    *old, new = (make_base(tmp_path / f"linux{n}", f"base {n}") for n in range(3))
    for base in old:
        with hold_work_area(store, base, Silence()):
            pass
    monkeypatch.setattr(work_area, "_KEPT_AREAS", 1)
    listed, discard = work_area._newest_first, store.discard
    (doomed, *_) = paths = sorted((store.root / "work").iterdir())

    def list_late(markers: Iterator[Path]) -> list[Path]:
        found = list(markers)
        if doomed.exists():
            shutil.rmtree(doomed)
        return listed(iter(found))

    def discard_late(directory: Path, lock: str) -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
        discard(directory, lock)

    monkeypatch.setattr(work_area, "_newest_first", list_late)
    monkeypatch.setattr(store, "discard", discard_late)
    with hold_work_area(store, new, Silence()) as area:
        assert read(area.tree) == FILES


def test_an_area_in_use_is_not_discarded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_area, "_KEPT_AREAS", 1)
    first, second = (make_base(tmp_path / f"linux{n}", f"base {n}") for n in range(2))
    with hold_work_area(store, first, Silence()) as area:
        with hold_work_area(store, second, Silence()):
            pass
        assert read(area.tree) == FILES
