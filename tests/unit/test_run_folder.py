"""Results that lie in a source tree are no part of it."""

from __future__ import annotations

import subprocess
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
