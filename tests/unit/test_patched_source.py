"""Series on a source: applied beside it, named by what differs, refused with file and hunk."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.kernel.nearest_base import find_nearest_base
from harness.kernel.patched import PatchedSource, RefusedError, patch_source
from harness.kernel.source import Source
from harness.kernel.source_view import provide_view
from harness.kernel.spec import DebianSpec, DirectorySpec, GitSpec
from harness.series.load import load_series
from harness.series.patch import Patch
from harness.store import Store
from tests.support.git import git

GUP = "".join(f"line {n}\n" for n in range(1, 41))
FILES = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 9\n",
    "mm/gup.c": GUP,
    "mm/Kconfig": "config GUP\n",
    "include/linux/mm.h": "int pin;\n",
    "include/uapi/types.h": "int type;\n",
}


@pytest.fixture
def base(tmp_path: Path) -> Source:
    root = tmp_path / "linux"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Source(root, (6, 1, 9), "base 1")


class Writer:
    """Makes patches out of edits, as an author does: with git, in a copy."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        self.git("init", "-q")
        self.commit("base")
        self.git("tag", "start")

    def git(self, *arguments: str) -> None:
        git(self.root, *arguments)

    def commit(self, subject: str, **edits: tuple[str, str] | None) -> None:
        """Each edit replaces words in a file; the names have __ for / and _ for a dot."""
        for name, edit in edits.items():
            path = self.root / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if edit is None:
                path.unlink()
            else:
                text = path.read_text() if path.exists() else ""
                path.write_text(text.replace(*edit) if edit[0] else text + edit[1])
        self.git("add", "-A")
        self.git("commit", "-qm", subject)

    @property
    def patches(self) -> tuple[Patch, ...]:
        return load_series(f"git:{self.root}@start..HEAD").patches


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "writer", FILES)


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def contents(source: PatchedSource) -> dict[str, str | None]:
    return {path: file.content.decode() if file else None for path, file in source.files.items()}


def test_a_series_is_what_differs_from_its_base(base: Source, writer: Writer) -> None:
    writer.commit("change", mm__gup_c=("line 5\n", "LINE 5\n"))
    writer.commit("more", mm__gup_c=("line 6\n", "LINE 6\n"), mm__new_c=("", "new\n"))
    writer.commit("less", mm__Kconfig=None)
    before = snapshot(base.path)
    patched = patch_source(base, writer.patches)
    assert contents(patched) == {
        "mm/gup.c": GUP.replace("line 5\n", "LINE 5\n").replace("line 6\n", "LINE 6\n"),
        "mm/new.c": "new\n",
        "mm/Kconfig": None,
    }
    assert patched.version == (6, 1, 9)
    assert snapshot(base.path) == before


def test_equal_content_is_one_source_however_it_came_about(
    base: Source, writer: Writer, tmp_path: Path
) -> None:
    other = Writer(tmp_path / "other", FILES)
    writer.commit("both", mm__gup_c=("line 5\n", "x\n"), mm__Kconfig=("GUP", "PUG"))
    other.commit("one", mm__Kconfig=("GUP", "PUG"))
    other.commit("two", mm__gup_c=("line 5\n", "y\n"))
    other.commit("three", mm__gup_c=("y\n", "x\n"))
    first, second = (patch_source(base, made.patches) for made in (writer, other))
    assert first.identity == second.identity
    assert first.identity.startswith("base 1 patched ")
    assert first.identity != patch_source(base, writer.patches[:0]).identity
    assert first.identity != patch_source(base, other.patches[:1]).identity
    writer.git("revert", "--no-edit", "HEAD")
    reverted = patch_source(base, writer.patches)
    assert (reverted.identity, reverted.files) == (base.identity, {})


def test_becoming_a_program_is_a_difference(base: Source, writer: Writer) -> None:
    (writer.root / "mm/gup.c").chmod(0o755)
    writer.commit("mode")
    patched = patch_source(base, writer.patches)
    file = patched.files["mm/gup.c"]
    assert file is not None
    assert file.executable
    assert patched.identity != base.identity


def test_a_patched_makefile_counts(base: Source, writer: Writer) -> None:
    writer.commit("next", Makefile=("SUBLEVEL = 9", "SUBLEVEL = 10"))
    assert patch_source(base, writer.patches).version == (6, 1, 10)
    writer.commit("gone", Makefile=None)
    with pytest.raises(UserError, match="no kernel's Makefile"):
        _ = patch_source(base, writer.patches).version


def test_a_hunk_that_does_not_fit_is_named(base: Source, writer: Writer) -> None:
    writer.commit("fits", mm__Kconfig=("GUP", "PUG"))
    writer.commit("does not", mm__gup_c=("line 5\n", "LINE 5\n"))
    (writer.root / "mm/gup.c").write_text(GUP.replace("line 5\n", "5\n").replace("line 30", "30"))
    writer.git("commit", "-qa", "--amend", "-m", "does not")
    (base.path / "mm/gup.c").write_text(GUP.replace("line 31\n", "other\n"))
    before = snapshot(base.path)
    with pytest.raises(RefusedError) as caught:
        patch_source(base, writer.patches)
    text = str(caught.value)
    assert "patch 2 (does not) does not apply: mm/gup.c, hunk 2 of 2 (@@ -27,7 +27,7 @@" in text
    assert text.startswith(f"{writer.root}@")
    assert snapshot(base.path) == before


MAIL = """\
From: A U Thor <a@example.org>
Subject: [PATCH] mm/gup: pin it

Pin it.
---
 mm/gup.c | 4 ++--

--- a/mm/gup.c
+++ b/mm/gup.c
@@ -2,3 +2,3 @@
 line 2
-line 3
+LINE 3
 line 4
@@ -30,4 +30,4 @@ f(void)
 line 30
 {wanted}
-line 32
+LINE 32
 line 33
"""


@pytest.mark.parametrize(
    ("wanted", "text", "told"),
    [
        ("line\t31", GUP, ["wants: line\t31", "base has, line 31: line 31"]),
        # The place has moved, and more of the hunk is there than where it says.
        ("x\x1b[2J", "new\n" * 3 + GUP, ["wants: x\\x1b[2J", "base has, line 34: line 31"]),
        ("line 31", GUP.partition("line 32")[0], ["wants: line 32", "base ends at line 31"]),
    ],
)
def test_a_hunk_is_shown_beside_what_the_base_has(
    base: Source, tmp_path: Path, wanted: str, text: str, told: list[str]
) -> None:
    mail = tmp_path / "v2.patch"
    mail.write_text(MAIL.format(wanted=wanted))
    (base.path / "mm/gup.c").write_text(text)
    with pytest.raises(RefusedError) as caught:
        patch_source(base, load_series(str(mail)).patches)
    first, *lines = str(caught.value).splitlines()
    hunk = "mm/gup.c, hunk 2 of 2 (@@ -30,4 +30,4 @@ f(void))"
    assert first == f"{mail}:15: patch 1 (mm/gup: pin it) does not apply: {hunk}"
    assert lines == [f"  {line}" for line in told]


def test_a_patch_that_is_in_already_is_told(base: Source, writer: Writer) -> None:
    writer.commit("it", mm__gup_c=("line 5\n", "LINE 5\n"))
    (base.path / "mm/gup.c").write_text(GUP.replace("line 5\n", "LINE 5\n"))
    with pytest.raises(RefusedError, match="has been changed that way already"):
        patch_source(base, writer.patches)


def test_files_that_are_not_there_or_there_already(base: Source, writer: Writer) -> None:
    writer.commit("new", mm__new_c=("", "new\n"))
    writer.commit("change", mm__new_c=("new", "old"))
    with pytest.raises(RefusedError, match=r"mm/new\.c is not in the tree; .*-p0"):
        patch_source(base, writer.patches[1:])
    (base.path / "mm/new.c").write_text("taken\n")
    with pytest.raises(RefusedError, match=r"mm/new\.c is there already"):
        patch_source(base, writer.patches)


def test_no_patch_goes_through_a_link(base: Source, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "new.c").write_text("mine\n")
    (base.path / "drivers").symlink_to(outside)
    (base.path / "link.c").symlink_to(outside / "new.c")
    for edits in ({"drivers__other_c": ("", "x\n")}, {"link_c": ("", "x\n")}):
        made = Writer(tmp_path / f"w{len(list(tmp_path.iterdir()))}", {"Makefile": "x\n"})
        made.commit("through", **edits)
        with pytest.raises(UserError, match=r"symbolic link|no ordinary file"):
            patch_source(base, made.patches)
    assert snapshot(outside).keys() == {"new.c"}


def test_a_repository_around_and_a_users_settings_do_not_matter(
    base: Source, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git apply below a repository's top skips what is not below it, without a word."""
    writer.commit("it", mm__gup_c=("line 5\n", "LINE 5 \n"))
    around = Writer(tmp_path / "around", {"x": "x\n"})
    (tmp_path / "gitconfig").write_text("[apply]\n\twhitespace = fix\n")
    monkeypatch.setenv("TMPDIR", str(around.root))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("GIT_DIR", str(around.root / ".git"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "apply.whitespace")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "fix")
    patched = patch_source(base, writer.patches)
    assert "LINE 5 \n" in (contents(patched)["mm/gup.c"] or "")
    assert {path.name for path in around.root.iterdir()} == {".git", "x"}


def test_the_nearest_commit_that_takes_the_series_is_found(tmp_path: Path) -> None:
    history = Writer(tmp_path / "history", FILES)
    history.commit("elsewhere", mm__Kconfig=("GUP", "PUG"))
    history.commit("right one", mm__gup_c=("line 20\n", "line 20!\n"))
    history.commit("elsewhere again", mm__Kconfig=("PUG", "GUP"))
    history.commit("moved on", mm__gup_c=("line 5\n", "five\n"))
    author = Writer(tmp_path / "author", FILES)
    author.commit("it", mm__gup_c=("line 5\n", "LINE 5\n"))
    found = find_nearest_base(GitSpec(history.root, "HEAD"), author.patches, Store(tmp_path / "s"))
    assert found is not None
    taken = Source(history.root, (6, 1, 9), "x")
    history.git("checkout", "-q", found.rpartition("@")[2])
    assert patch_source(taken, author.patches).files
    assert "line 20!" in (history.root / "mm/gup.c").read_text()
    history.git("checkout", "-q", "master")
    by_folder = find_nearest_base(
        DirectorySpec(history.root), author.patches, Store(tmp_path / "s")
    )
    assert by_folder == found
    author.commit("of its own", mm__gup_c=("line 9\n", "nine\n"))
    author.git("tag", "-f", "start")
    author.commit("fits nowhere", mm__gup_c=("nine\n", "neuf\n"))
    nowhere = author.patches
    assert find_nearest_base(GitSpec(history.root, "HEAD"), nowhere, Store(tmp_path)) is None


def test_a_tag_beside_the_base_is_found(tmp_path: Path) -> None:
    history = Writer(tmp_path / "history", FILES)
    history.git("checkout", "-qb", "next")
    history.commit("there", mm__gup_c=("line 5\n", "five\n"))
    history.git("tag", "v6.2")
    history.git("checkout", "-q", "master")
    author = Writer(tmp_path / "author", {**FILES, "mm/gup.c": GUP.replace("line 5\n", "five\n")})
    author.commit("it", mm__gup_c=("five\n", "FIVE\n"))
    found = find_nearest_base(GitSpec(history.root, "HEAD"), author.patches, Store(tmp_path / "s"))
    assert found == f"git:{history.root}@v6.2"


def test_another_stored_source_that_takes_the_series_is_named(
    writer: Writer, tmp_path: Path
) -> None:
    writer.commit("it", mm__gup_c=("line 5\n", "LINE 5\n"))
    for version, text in (("6.12", GUP), ("7.2", "other\n")):
        folder = tmp_path / f"store/source/linux-source-{version}_1-1/mm"
        folder.mkdir(parents=True)
        (folder / "gup.c").write_text(text)
    found = find_nearest_base(DebianSpec("6.1"), writer.patches, Store(tmp_path / "store"))
    assert found == "debian:6.12=1-1"


def test_a_view_shows_the_patched_source_and_links_to_the_rest(
    base: Source, writer: Writer, tmp_path: Path
) -> None:
    writer.commit("it", mm__gup_c=("line 5\n", "LINE 5\n"), mm__Kconfig=None)
    writer.commit("new", tools__deep__new_sh=("", "#!/bin/sh\n"))
    (base.path / ".git").mkdir()
    patched = patch_source(base, writer.patches)
    before = snapshot(base.path)
    view = provide_view(patched, Store(tmp_path / "store"))
    assert (view / "mm/gup.c").read_text() == GUP.replace("line 5\n", "LINE 5\n")
    assert not (view / "mm/Kconfig").exists()
    assert (view / "tools/deep/new.sh").read_text() == "#!/bin/sh\n"
    assert (view / "include").is_symlink()
    assert (view / "include/linux/mm.h").read_text() == "int pin;\n"
    assert not os.path.lexists(view / ".git")
    assert stat.S_IMODE((view / "mm/gup.c").stat().st_mode) == 0o644
    assert snapshot(base.path) == before
    assert provide_view(patched, Store(tmp_path / "store")) == view
    assert provide_view(PatchedSource(base, {}), Store(tmp_path / "store")) == base.path


def _new(path: str) -> str:
    head = f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n"
    return f"{head}+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"


GONE = """\
diff --git a/include/linux/mm.h b/include/linux/mm.h
deleted file mode 100644
--- a/include/linux/mm.h
+++ /dev/null
@@ -1 +0,0 @@
-int pin;
"""


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mm", "makes mm, which is a folder of its base"),
        ("include/linux", "makes include/linux, which is a folder of its base"),
        ("mm/gup.c/new.c", "makes mm/gup.c/new.c, but mm/gup.c is a file of its base"),
        ("mm/gup.c/a/new.c", "makes mm/gup.c/a/new.c, but mm/gup.c is a file of its base"),
    ],
)
def test_a_file_in_the_place_of_a_folder_is_refused(
    base: Source, tmp_path: Path, path: str, words: str
) -> None:
    (tmp_path / "x.patch").write_text(_new(path))
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        patch_source(base, load_series(str(tmp_path / "x.patch")).patches)
    assert "x.patch:1: patch 1" in str(caught.value)


@pytest.mark.parametrize("path", ["include/linux", "include/linux/mm.h/new.h"])
def test_what_a_series_takes_away_leaves_room(base: Source, tmp_path: Path, path: str) -> None:
    (tmp_path / "x.patch").write_text(GONE + _new(path))
    patched = patch_source(base, load_series(str(tmp_path / "x.patch")).patches)
    assert {name: file is not None for name, file in patched.files.items()} == {
        "include/linux/mm.h": False,
        path: True,
    }
