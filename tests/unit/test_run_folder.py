"""Results that lie in a source tree are no part of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.kernel import tree
from harness.report.results import CellFolder, new_run_directory, open_run_directory
from harness.run_folder import IGNORE_FILE, drop_unused, make_run_folder


@pytest.fixture(params=["git", "plain"])
def linux(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    root = tmp_path / "linux"
    (root / "mm").mkdir(parents=True)
    (root / "mm/gup.c").write_text("x")
    (root / "mm" / IGNORE_FILE).write_text("*\n!gup.c\n!.gitignore\n")
    if request.param == "git":
        subprocess.run(("git", "init", "-q", str(root)), check=True)
    return root


def test_a_run_leaves_the_tree_as_it_is_named(linux: Path) -> None:
    before = tree.fingerprint(linux)
    assert tree.list_files(linux) == (f"mm/{IGNORE_FILE}", "mm/gup.c")
    folders = new_run_directory(linux / "results"), new_run_directory(linux / "results")
    for folder in (*folders, open_run_directory(linux / "a/b", linux)):
        CellFolder(folder, "x.yaml::x[s390x]").write("qemu.json", "{}")
        (folder / "run.json").write_text("{}")
    assert tree.fingerprint(linux) == before


def test_a_folder_that_is_there_is_left_as_it_is(linux: Path) -> None:
    (linux / "results").mkdir()
    (linux / "results/mine.c").write_text("mine")
    assert open_run_directory(linux / "results", linux) == linux / "results"
    assert [path.name for path in (linux / "results").iterdir()] == ["mine.c"]
    assert "results/mine.c" in tree.list_files(linux)
    new = new_run_directory(linux / "results")
    (new / IGNORE_FILE).write_text("!*\n")
    assert open_run_directory(new, linux) == new
    assert (new / IGNORE_FILE).read_text() == "!*\n"


def test_a_file_is_no_folder_for_results(linux: Path) -> None:
    for name in ("mm/gup.c", "mm/gup.c/x"):
        with pytest.raises(UserError, match=r"gup\.c: is no folder for results"):
            open_run_directory(linux / name, linux)


def test_a_folder_is_one_runs_at_a_time(tmp_path: Path) -> None:
    """Whoever ends last would leave its run.json alone beside the cells of both."""
    folder, there = tmp_path / "out", tmp_path / "linked"
    there.symlink_to(folder)
    words = "import sys; from harness.report.results import *; from pathlib import Path\n"
    words += "print(open_run_directory(Path(sys.argv[1]), Path()), flush=True); input()"
    command = (sys.executable, "-c", words, str(folder))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == f"{folder}\n"
        with pytest.raises(UserError, match=r"out: another run writes .*\n  try: --results DIR"):
            open_run_directory(there, tmp_path)
        other.communicate("\n")
    assert other.returncode == 0
    for _ in range(2):  # a command's own, and then pytest's in the same process
        assert open_run_directory(there, tmp_path) == folder


def test_no_folder_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match=r"there: cannot be written to\n  try: --results DIR"):
        open_run_directory(tmp_path / "there", tmp_path)
    monkeypatch.setattr(os, "mkdir", refuse)
    for asked, base in ((tmp_path / "new", tmp_path), (None, tmp_path / "new")):
        with pytest.raises(UserError, match=r"new: no folder for .*: Read-only file system\n"):
            open_run_directory(asked, base)


def test_a_tree_in_a_results_folder_is_one(tmp_path: Path) -> None:
    """Whoever names the folder itself means it."""
    folder = new_run_directory(tmp_path)
    (folder / "Makefile").write_text("x")
    assert tree.list_files(folder) == (IGNORE_FILE, "Makefile")


def test_only_a_folder_that_nothing_was_written_to_is_taken_away(tmp_path: Path) -> None:
    unused, used, foreign = (tmp_path / "results" / name for name in ("unused", "used", "foreign"))
    make_run_folder(unused)
    make_run_folder(used)
    (used / "run.json").write_text("{}")
    foreign.mkdir()
    (foreign / IGNORE_FILE).write_text("*.o\n")
    for folder in (unused, used, foreign, tmp_path / "gone"):
        drop_unused(folder)
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["foreign", "used"]
    assert (foreign / IGNORE_FILE).exists()
