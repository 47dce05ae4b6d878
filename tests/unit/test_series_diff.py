"""Diffs: read in every common form, written anew in one, and refused where they are not sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.series.diff import Diff, read_diff
from harness.series.paths import check_path, detect_strip
from harness.series.text import Text

HUNK = "@@ -1,3 +1,3 @@ int gup\n one\n-two\n+TWO\n three\n"
PLAIN = "--- a/mm/gup.c\n+++ b/mm/gup.c\n" + HUNK
GIT = "diff --git a/mm/gup.c b/mm/gup.c\nindex 123..456 100644\n" + PLAIN


def read(text: str | bytes, level: int | None = None) -> Diff:
    content = text.encode() if isinstance(text, str) else text
    return read_diff(Text(content, Path("x.patch")), level)


def content(text: str | bytes, level: int | None = None) -> str:
    return read(text, level).content.decode()


CANONICAL = "diff --git a/mm/gup.c b/mm/gup.c\n" + PLAIN


@pytest.mark.parametrize(
    "text",
    [
        GIT,
        PLAIN,
        "mm: do it\n\nWhy.\n---\n mm/gup.c | 2 +-\n\n" + GIT + "-- \n2.39.5\n",
        PLAIN.replace("a/mm/gup.c", "linux.orig/mm/gup.c\t2026-01-01 10:00:00.0 +0000").replace(
            "b/mm", "linux/mm"
        ),
        PLAIN.replace("a/", "").replace("b/", ""),
        PLAIN.replace("a/mm/gup.c", "mm/gup.c.orig").replace("b/", ""),
        PLAIN.replace("a/", "a/linux/").replace("b/", "b/linux/"),
        GIT.replace("a/", "").replace("b/", ""),
        GIT.replace("a/", "i/").replace("b/", "w/"),
        GIT.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r\n"),
        'diff --git "a/mm/gup.c" "b/mm/gup.c"\n' + PLAIN,
        "Index: mm/gup.c\n=====\n" + PLAIN.replace("a/", "").replace("b/", ""),
    ],
    ids=[
        "git", "plain", "mail", "directories", "p0", "p0 orig", "p2", "noprefix", "mnemonic",
        "crlf git", "crlf", "quoted", "quilt",
    ],
)  # fmt: skip
def test_one_change_has_one_form(text: str) -> None:
    assert content(text) == CANONICAL
    assert read(text).paths == ("mm/gup.c",)


def test_a_level_that_is_named_wins() -> None:
    text = PLAIN.replace("a/mm", "x/y/z/mm").replace("b/mm", "x/y/z/mm")
    assert content(text, level=3) == CANONICAL
    with pytest.raises(UserError, match="has nothing left at -p9"):
        read(PLAIN, level=9)


@pytest.mark.parametrize(
    ("names", "level"),
    [
        (["a/tools/include/linux/mm.h", "b/x"], 1),
        (["tools/include/linux/mm.h"], 0),
        (["a/new_folder/mm/x.c", "a/mm/gup.c"], 1),
        (["linux/drivers/dax/bus.c"], 1),
        (["gup.c"], 0),
        (["a/gup.c"], 1),
    ],
)
def test_names_tell_their_level(names: list[str], level: int) -> None:
    assert detect_strip([(name, name) for name in names]) == level


def test_git_writes_equal_names_where_it_was_told_no_prefix() -> None:
    assert detect_strip([("own/kernel/x.c", "own/kernel/x.c")], by_git=True) == 0
    assert detect_strip([("a/own/x.c", "b/own/x.c")], by_git=True) == 1
    assert detect_strip([("linux/own/x.c", "linux/own/x.c")]) == 1


def test_names_that_disagree_are_refused() -> None:
    with pytest.raises(UserError, match="disagree on the name"):
        read(GIT.replace("+++ b/mm/gup.c", "+++ b/mm/pin.c"))
    moved = "diff --git a/mm/o.c b/mm/n.c\nrename from mm/o.c\nrename to mm/n.c\n"
    with pytest.raises(UserError, match="disagree on the name"):
        read(moved + PLAIN)
    with pytest.raises(UserError, match="without both of its names"):
        read(moved.replace("rename to mm/n.c\n", ""))


def test_a_file_of_carriage_returns_keeps_them() -> None:
    text = GIT.replace("two\n", "two\r\n").replace("TWO\n", "TWO\r\n")
    assert content(text) == CANONICAL.replace("two\n", "two\r\n").replace("TWO\n", "TWO\r\n")


def test_what_mailers_take_off_empty_context_is_put_back() -> None:
    text = PLAIN.replace(" three\n", "\n")
    assert content(text) == CANONICAL.replace(" three\n", " \n")


def test_a_missing_newline_at_the_end_stays_missing() -> None:
    text = PLAIN.replace("+TWO\n three\n", "+TWO\n three\n\\ No newline at end of file\n")
    assert content(text).endswith(" three\n\\ No newline at end of file\n")


@pytest.mark.parametrize(
    ("text", "expected", "paths"),
    [
        (
            "diff --git a/mm/n.c b/mm/n.c\nnew file mode 100755\nindex 0..1\n"
            "--- /dev/null\n+++ b/mm/n.c\n@@ -0,0 +1 @@\n+x\n",
            "diff --git a/mm/n.c b/mm/n.c\nnew file mode 100755\n"
            "--- /dev/null\n+++ b/mm/n.c\n@@ -0,0 +1 @@\n+x\n",
            ("mm/n.c",),
        ),
        (
            "--- linux.orig/mm/n.c\t1970-01-01\n+++ linux/mm/n.c\n@@ -0,0 +1 @@\n+x\n",
            "diff --git a/mm/n.c b/mm/n.c\nnew file mode 100644\n"
            "--- /dev/null\n+++ b/mm/n.c\n@@ -0,0 +1 @@\n+x\n",
            ("mm/n.c",),
        ),
        (
            "diff --git a/mm/o.c b/mm/o.c\ndeleted file mode 100644\n"
            "--- a/mm/o.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
            "diff --git a/mm/o.c b/mm/o.c\ndeleted file mode 100644\n"
            "--- a/mm/o.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
            ("mm/o.c",),
        ),
        (
            "diff --git a/mm/o.c b/mm/n.c\nsimilarity index 100%\n"
            "rename from mm/o.c\nrename to mm/n.c\n",
            "diff --git a/mm/o.c b/mm/n.c\nrename from mm/o.c\nrename to mm/n.c\n",
            ("mm/o.c", "mm/n.c"),
        ),
        (
            "diff --git a/scripts/x b/scripts/x\nold mode 100644\nnew mode 100755\n",
            "diff --git a/scripts/x b/scripts/x\nold mode 100644\nnew mode 100755\n",
            ("scripts/x",),
        ),
        (
            "diff --git a/mm/e b/mm/e\nnew file mode 100644\nindex 000..e69\n",
            "diff --git a/mm/e b/mm/e\nnew file mode 100644\n",
            ("mm/e",),
        ),
        (
            'diff --git "a/mm/\\303\\274.c" "b/mm/\\303\\274.c"\n'
            '--- "a/mm/\\303\\274.c"\n+++ "b/mm/\\303\\274.c"\n' + HUNK,
            "diff --git a/mm/ü.c b/mm/ü.c\n--- a/mm/ü.c\n+++ b/mm/ü.c\n" + HUNK,
            ("mm/ü.c",),
        ),
        (
            "diff --git a/mm/a b.c b/mm/a b.c\n--- a/mm/a b.c\t\n+++ b/mm/a b.c\t\n" + HUNK,
            "diff --git a/mm/a b.c b/mm/a b.c\n--- a/mm/a b.c\t\n+++ b/mm/a b.c\t\n" + HUNK,
            ("mm/a b.c",),
        ),
    ],
    ids=["new", "new by diff -N", "gone", "rename", "mode", "empty", "umlaut", "space"],
)
def test_files_that_come_go_and_move(text: str, expected: str, paths: tuple[str, ...]) -> None:
    assert content(text) == expected
    assert read(text).paths == paths


def rename(path: str) -> str:
    return f"diff --git a/mm/gup.c b/{path}\nrename from mm/gup.c\nrename to {path}\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("nothing here\n", 1, "no diff here"),
        (PLAIN.replace("b/mm/gup.c", "b/../../etc/passwd"), 1, "leads through '..'"),
        (PLAIN.replace("a/mm", "/mm").replace("b/mm", "/mm"), 1, "is an absolute path"),
        (PLAIN.replace("mm/gup.c", "mm//gup.c"), 1, "leads through 'nothing'"),
        (PLAIN.replace("mm/gup.c", ".git/hooks/post-checkout"), 1, "belongs to git"),
        (PLAIN.replace("mm/gup.c", "mm/.GIT/config"), 1, "belongs to git"),
        (PLAIN.replace("mm/gup.c", "mm/gup\x1b[2J.c"), 1, "is no file name"),
        (PLAIN.replace("mm/gup.c", "mm/gup\0.c"), 1, "is no file name"),
        (PLAIN.replace("mm/gup.c", "mm/" + "g" * 300), 1, "more than 255 bytes"),
        (PLAIN.replace("mm/gup.c", "mm/" + "g/" * 600 + "g"), 1, "a path of 12"),
        (rename("../x.c"), 1, "leads through"),
        (rename("/etc/x.c"), 1, "absolute"),
        (rename("mm/.git/x"), 1, "belongs to git"),
        (GIT.replace("100644", "120000"), 2, "a symbolic link"),
        (GIT.replace("index 123..456 100644", "new file mode 160000"), 2, "a submodule"),
        (GIT.replace(PLAIN, "GIT binary patch\nliteral 3\n"), 3, "a binary patch"),
        ("Binary files a/x and b/x differ\n" + PLAIN, 1, "a binary patch"),
        ("diff --cc mm/gup.c\n", 1, "diff of a merge"),
        (PLAIN.replace("-two", "-t\0wo"), 5, "NUL byte"),
        (PLAIN.replace(" three\n", ""), 6, "the text ends within a hunk"),
        (PLAIN.replace(" three\n", "wrapped\n"), 7, "does not fit into its hunk"),
        (PLAIN.replace("-1,3", "-1,2"), 7, "does not fit into its hunk"),
        (PLAIN + "+and more\n", 8, "more lines than the hunk says"),
        (PLAIN.replace("@@ -1,3 +1,3", "@@ -1,3 1,3"), 3, "no hunk has such a line"),
        (PLAIN.replace("-1,3", "-1,99999999999"), 3, "no hunk has such a line"),
        ("--- a/mm/gup.c\n+++ b/mm/gup.c\n", 2, "a file without hunks"),
        ("--- /dev/null\n+++ /dev/null\n", 2, "neither there before nor after"),
        ("diff --git a/mm/gup.c b/mm/gup.c\n", 1, "nothing changes"),
        ("diff --git a/mm/gup.c b/mm/other.c\n" + "old mode 100644\n", 1, "and no rename"),
        (PLAIN.replace("-two", "-" + "x" * (1 << 20)), 5, "a line of more than"),
    ],
    ids=range(30),
)
def test_what_is_not_sound_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        read("why\n" + text)
    # One line of prose above.
    assert (str(caught.value.path), caught.value.line) == (
        "x.patch",
        1 if "no diff" in words else line + 1,
    )


@pytest.mark.parametrize("path", ["", ".", "..", "a/./b", "a/", "/a", "a//b", "x/.git", "GIT~1/x"])
def test_paths_stay_in_the_tree(path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_path(path)


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)
LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0")), max_size=6)


@st.composite
def diffs(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    """A diff of several files, and their paths."""
    paths = draw(st.lists(WORDS.map("mm/{}.c".format), min_size=1, max_size=4, unique=True))
    text = ""
    for path in paths:
        old, new = draw(LINES), draw(LINES.filter(bool))
        text += f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
        text += f"@@ -1,{len(old)} +1,{len(new)} @@\n"
        text += "".join(f"-{line}\n" for line in old) + "".join(f"+{line}\n" for line in new)
    return text, tuple(paths)


@settings(deadline=None)
@given(diffs())
def test_what_was_written_reads_the_same(sample: tuple[str, tuple[str, ...]]) -> None:
    text, paths = sample
    once = read(text)
    assert once.paths == paths
    assert once.content == text.encode()
    assert read(once.content, level=1).content == once.content


PIECES = st.sampled_from(
    [*GIT.encode().splitlines(keepends=True), b"+++ ", b"--- ", b"@@ ", b"\0", b"\r\n", b'"', b"\\"]
)


@settings(deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=9)), max_size=30).map(b"".join))
def test_nothing_but_a_users_error_comes_of_noise(noise: bytes) -> None:
    refused: UserError | None = None
    try:
        diff = read(noise)
    except UserError as exc:
        refused = exc
    if refused is not None:
        assert 1 <= (refused.line or 0) <= noise.count(b"\n") + 1
        return
    assert all(check_path(path) == path for path in diff.paths)
    assert read(diff.content, level=1).content == diff.content
