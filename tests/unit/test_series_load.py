"""Whatever names a series: a file, a mailbox, a folder, quilt, commits or standard input."""

from __future__ import annotations

import gzip
import io
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.series import inputs
from harness.series.inputs import read_file
from harness.series.load import load_series
from harness.series.mail import split_mails
from harness.series.patch import Series
from tests.support.git import git as own_git

git = partial(own_git, author="Ünï Côdé <u@example.org>")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A base and three commits: a change, a rename with a new program, a removal."""
    root = tmp_path / "linux"
    (root / "mm").mkdir(parents=True)
    (root / "mm/gup.c").write_text("".join(f"{n}\n" for n in range(30)))
    (root / "mm/old.c").write_text("old\n" * 9)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "base")
    git(root, "tag", "base")
    (root / "mm/gup.c").write_text((root / "mm/gup.c").read_text().replace("15\n", "fünfzehn\n"))
    git(root, "commit", "-qam", "mm: fünfzehn")
    git(root, "mv", "mm/old.c", "mm/new.c")
    (root / "mm/run.sh").write_text("#!/bin/sh\n")
    (root / "mm/run.sh").chmod(0o755)
    git(root, "add", ".")
    git(root, "commit", "-qm", "mm: move it, with a subject of so many words that it is folded")
    git(root, "rm", "-q", "mm/run.sh")
    git(root, "commit", "-qm", "mm: remove it")
    return root


def formatted(repository: Path, *options: str) -> bytes:
    return git(repository, "format-patch", "--stdout", *options, "base").encode() + b"\n"


def digests(series: Series) -> list[str]:
    return [patch.digest for patch in series.patches]


def test_every_way_to_name_a_series_gives_the_same_patches(
    repository: Path, tmp_path: Path
) -> None:
    content = formatted(repository, "--no-renames")
    box = tmp_path / "it.mbox"
    box.write_bytes(content)
    packed = tmp_path / "it.mbox.gz"
    packed.write_bytes(gzip.compress(content))
    git(repository, "format-patch", "-q", "--no-renames", "-o", str(tmp_path / "out"), "base")

    series = load_series(str(box))
    assert [patch.position for patch in series.patches] == [1, 2, 3]
    assert series.patches[0].subject == "mm: fünfzehn"
    assert series.patches[1].subject.endswith("that it is folded")
    assert series.patches[0].author == "Ünï Côdé <u@example.org>"
    assert series.patches[1].files == ("mm/new.c", "mm/old.c", "mm/run.sh")
    assert series.patches[0].where == f"{box}:2"
    assert (series.name, series.source) == ("it", str(box))
    for name in (str(packed), str(tmp_path / "out"), f"git:{repository}@base..HEAD"):
        assert digests(load_series(name)) == digests(series), name
    piped = load_series("-", io.BytesIO(content))
    assert digests(piped) == digests(series)
    assert piped.patches[0].where == "<stdin>:2"
    assert load_series(str(packed)).digest == series.digest


def test_patches_put_one_behind_the_other_are_what_git_mailsplit_makes_of_them(
    repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    options = ("--no-signature", "--no-renames", "-q", "-o", str(folder))
    git(repository, "format-patch", *options, "base")
    box = tmp_path / "s.mbox"
    box.write_bytes(b"".join(path.read_bytes() for path in sorted(folder.iterdir())))
    (tmp_path / "split").mkdir()
    count = git(repository, "mailsplit", f"-o{tmp_path / 'split'}", str(box))
    series = load_series(str(box))
    assert len(series.patches) == int(count) == 3
    assert digests(series) == digests(load_series(f"git:{repository}@base..HEAD"))


def test_the_cover_letter_and_the_version_are_the_series(repository: Path, tmp_path: Path) -> None:
    content = formatted(repository, "--cover-letter", "-v3").replace(
        b"*** SUBJECT HERE ***", b"Pin it down"
    )
    (tmp_path / "b").write_bytes(content)
    series = load_series(str(tmp_path / "b"))
    assert (series.name, series.version, len(series.patches)) == ("Pin it down", 3, 3)


def test_a_cover_letter_that_nobody_wrote_names_nothing(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "topic.mbox").write_bytes(formatted(repository, "--cover-letter"))
    assert load_series(str(tmp_path / "topic.mbox")).name == "topic"
    folder = tmp_path / "outgoing"
    folder.mkdir()
    for number, text in enumerate(split_mails(read_file(tmp_path / "topic.mbox"))):
        (folder / f"{number:04}.patch").write_bytes(text.content)
    assert load_series(str(folder)).name == "outgoing"


def test_commits_are_read_whatever_the_users_settings(repository: Path) -> None:
    expected = digests(load_series(f"git:{repository}@base..HEAD"))
    for key, setting in (
        ("diff.noprefix", "true"),
        ("diff.external", "false"),
        ("color.ui", "always"),
        ("diff.context", "1"),
        ("diff.renames", "copies"),
    ):
        git(repository, "config", key, setting)
    assert digests(load_series(f"git:{repository}@base..")) == expected


def test_what_gpg_says_of_a_commit_is_no_part_of_it(repository: Path, tmp_path: Path) -> None:
    says = tmp_path / "gpg"
    says.write_text("#!/bin/sh\necho 'gpg: Signature made on Sunday' >&2\nexit 1\n")
    says.chmod(0o755)
    head, _, body = git(repository, "cat-file", "commit", "HEAD").partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
    (tmp_path / "signed").write_text(f"{head}\n{signature}\n\n{body}\n")
    signed = git(repository, "hash-object", "-t", "commit", "-w", str(tmp_path / "signed"))
    (expected,) = load_series(f"git:{repository}@HEAD~1..HEAD").patches
    git(repository, "config", "gpg.program", str(says))
    git(repository, "config", "log.showSignature", "true")
    (found,) = load_series(f"git:{repository}@HEAD~1..{signed}").patches
    assert (found.subject, found.author) == (expected.subject, expected.author)


def test_a_commit_cannot_reach_the_terminal(repository: Path) -> None:
    git(repository, "commit", "-q", "--amend", "-m", "mm: \x1b]0;mine\x07x")
    (patch,) = load_series(f"git:{repository}@HEAD~1..HEAD").patches
    assert patch.subject == "mm:  ]0;mine x"


def test_a_range_that_leaves_a_shallow_clone_is_told(repository: Path, tmp_path: Path) -> None:
    """Else its first commit would have made every file of the tree."""
    clone = tmp_path / "shallow"
    git(repository, "clone", "-q", "--depth=2", f"file://{repository}", str(clone))
    git(clone, "fetch", "-q", "--depth=1", "origin", "tag", "base")
    assert len(load_series(f"git:{clone}@HEAD~1..HEAD").patches) == 1
    with pytest.raises(UserError, match="the clone is shallow, and nothing before") as caught:
        load_series(f"git:{clone}@base..HEAD")
    assert caught.value.hint == f"git -C {clone} fetch --unshallow"


def test_an_empty_commit_is_left_aside_and_told(repository: Path) -> None:
    for subject in ("Start a series", "End it"):
        git(repository, "commit", "-q", "--allow-empty", "-m", subject)
    series = load_series(f"git:{repository}@base..HEAD~1")
    assert [patch.position for patch in series.patches] == [1, 2, 3]
    assert digests(series) == digests(load_series(f"git:{repository}@base..HEAD~2"))
    assert series.notes == ("left aside, a commit that changes no file: Start a series",)
    with pytest.raises(UserError, match="no commit there changes a file") as caught:
        load_series(f"git:{repository}@HEAD~2..HEAD")
    assert caught.value.hint == "a range with a commit that does"


def test_reading_commits_changes_nothing_in_the_repository(repository: Path) -> None:
    (repository / "mm/gup.c").write_text("edited\n")
    before = {p: p.read_bytes() for p in repository.rglob("*") if p.is_file()}
    load_series(f"git:{repository}@base..HEAD")
    assert {p: p.read_bytes() for p in repository.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("range_", "words", "hint"),
    [
        ("HEAD", "a series is a range", "@HEAD~1..HEAD"),
        ("HEAD..base", "holds no commit", "the other way round"),
        ("base...HEAD", "three dots", "@base..HEAD"),
        ("nothing..HEAD", "'nothing' names no commit", "a branch, a tag"),
        ("--output=/tmp/x..HEAD", "names no commit", "a branch"),
        ("base..merged", "holds a merge", "rebased"),
    ],
)
def test_ranges_that_are_none(repository: Path, range_: str, words: str, hint: str) -> None:
    git(repository, "checkout", "-qb", "merged", "base")
    git(repository, "commit", "-q", "--allow-empty", "-m", "x")
    git(repository, "merge", "-q", "--no-ff", "-m", "merge", "master")
    git(repository, "checkout", "-q", "master")
    with pytest.raises(UserError, match=words) as caught:
        load_series(f"git:{repository}@{range_}")
    assert hint in (caught.value.hint or "")


def test_a_repository_may_have_an_at_sign_in_its_path(repository: Path) -> None:
    expected = digests(load_series(f"git:{repository}@base..HEAD"))
    moved = repository.rename(repository.with_name("me@work..x"))
    for range_ in ("base..HEAD", "base..", "base..@", "@~3..@{0}"):
        series = load_series(f"git:{moved}@{range_}")
        assert (series.name, digests(series)) == (range_, expected)
    with pytest.raises(UserError, match="a series is a range") as caught:
        load_series(f"git:{moved}")
    assert caught.value.hint == f"git:{moved}@HEAD~1..HEAD"


def test_a_range_in_no_repository(tmp_path: Path) -> None:
    for name in ("git:", f"git:{tmp_path}", f"git:{tmp_path}/none@a..b", f"git:{tmp_path}@a..b"):
        with pytest.raises(UserError, match=r"git"):
            load_series(name)


DIFF = "--- a/mm/gup.c\n+++ b/mm/gup.c\n@@ -1 +1 @@\n-one\n+two\n"


def test_one_file_is_one_patch_whatever_it_was_part_of(tmp_path: Path) -> None:
    bare = tmp_path / "fix-it.diff"
    bare.write_text(DIFF)
    series = load_series(str(bare))
    assert (series.name, series.patches[0].subject) == ("fix-it", "fix-it")
    part = tmp_path / "0002-x.patch"
    part.write_text(f"From: A <a@example.org>\nSubject: [PATCH v2 2/9] mm: x\n\nwhy\n\n{DIFF}")
    series = load_series(str(part))
    assert (series.patches[0].position, series.patches[0].subject) == (1, "mm: x")
    assert series.notes == ("patch 2 of 9 by itself",)


def test_a_folder_is_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("10-b", "02-a"):
        (tmp_path / f"{name}.patch").write_text(DIFF)
    (tmp_path / "README").write_text("no patch")
    assert [p.subject for p in load_series(str(tmp_path)).patches] == ["02-a", "10-b"]


def test_a_patch_that_a_folder_only_has_a_link_to_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.patch").write_text(DIFF)
    monkeypatch.chdir(tmp_path)
    assert len(load_series(".").patches) == 1
    with pytest.raises(UserError, match="the name of the series is empty"):
        load_series("")
    (tmp_path / "b.patch").symlink_to("gone")
    with pytest.raises(UserError, match=r"b\.patch: cannot be read: No such file"):
        load_series(".")


def test_quilt_says_order_and_level(tmp_path: Path) -> None:
    patches = tmp_path / "linux/patches"
    (patches / "mm").mkdir(parents=True)
    (patches / "series").write_text("# ours\nz.patch -p2 # deep\n\nmm/a.patch\n#b.patch\n")
    (patches / "z.patch").write_text(DIFF.replace("a/mm", "x/y/mm").replace("b/mm", "x/y/mm"))
    (patches / "mm/a.patch").write_text(DIFF)
    (patches / "b.patch").write_text("never read")
    for name in (patches.parent, patches, patches / "series"):
        series = load_series(str(name))
        assert [p.subject for p in series.patches] == ["z", "a"]
        assert [p.files for p in series.patches] == [("mm/gup.c",), ("mm/gup.c",)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.patch -R", "-R: only -p"),
        ("../a.patch", "is not below"),
        ("/etc/passwd", "is not below"),
        ("c.patch", "is not there"),
    ],
)
def test_a_quilt_line_that_is_wrong_is_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "a.patch").write_text(DIFF)
    (tmp_path / "series").write_text(f"a.patch\n{line}\n")
    with pytest.raises(UserError, match=words) as caught:
        load_series(str(tmp_path))
    assert (caught.value.path, caught.value.line) == (tmp_path / "series", 2)


def test_names_that_are_none_are_answered(tmp_path: Path) -> None:
    (tmp_path / "fix.patch").write_text(DIFF)
    (tmp_path / "empty.patch").write_text(" \n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "repo/.git").mkdir(parents=True)
    for name, words in (
        ("fix.pach", f"try: {tmp_path / 'fix.patch'}"),
        ("empty.patch", "is empty"),
        ("folder", "a folder of .patch files"),
        ("repo", "@A..B"),
    ):
        with pytest.raises(UserError) as caught:
            load_series(str(tmp_path / name))
        assert words in str(caught.value)
    with pytest.raises(UserError, match="fetch the thread"):
        load_series("https://example.org/t.mbox.gz")
    with pytest.raises(UserError, match="no standard input"):
        load_series("-")


def test_input_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MOST_BYTES", 1 << 20)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"\n" * (2 << 20)))
    with pytest.raises(UserError, match="has more than 1 MiB") as caught:
        load_series(str(bomb))
    assert caught.value.path == bomb
    with pytest.raises(UserError, match="has more than 1 MiB"):
        load_series("/dev/zero")
    bomb.write_bytes(gzip.compress(b"x" * 999)[:-9])
    with pytest.raises(UserError, match="no complete gzip file"):
        load_series(str(bomb))


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([b"\x1f\x8b\x08", b"From: x\n", b"Subject: [PATCH 1/2] x\n\n"]),
            st.just(DIFF.encode()),
            st.binary(max_size=20),
        ),
        max_size=9,
    ).map(b"".join)
)
def test_standard_input_can_hold_anything(noise: bytes) -> None:
    try:
        series = load_series("-", io.BytesIO(noise))
    except UserError:
        return
    assert series.patches
    assert all(patch.files and patch.diff for patch in series.patches)


def test_a_name_that_is_none_is_answered_with_the_nearest_that_may_be_a_series(
    tmp_path: Path,
) -> None:
    for name in ("fix.patch", "v7.mbox", "a.diff", "b.eml", "c.patch", "d.patch", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "fixes").mkdir()
    (tmp_path / "fxs").mkdir()
    (tmp_path / "fixes" / "0001-fix.patch").touch()
    with pytest.raises(UserError, match="no such series") as caught:
        load_series(str(tmp_path / "fx.patch"))
    meant = (caught.value.hint or "").split(", ")
    assert (meant[0], len(meant)) == (str(tmp_path / "fix.patch"), 5)
    assert str(tmp_path / "fixes") in meant
    assert not any("notes" in one or "fxs" in one for one in meant)


def test_a_series_is_called_by_its_file_whatever_that_is(tmp_path: Path) -> None:
    head = "From: a <a@example.org>\nSubject: [PATCH] x\n\n---\n"
    diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
    for name in ("three.mbox", "three.patch"):
        (tmp_path / name).write_text(head + diff)
        assert load_series(str(tmp_path / name)).name == "three"
