"""Kernel sources: unpacked, archived or used in place, and never written to."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.apt.private import Candidate
from harness.errors import UserError
from harness.git import git as asked
from harness.kernel.revisions import stored_revisions
from harness.kernel.source import Source, check_source, load_suites, provide_source
from harness.kernel.spec import DebianSpec, DirectorySpec, GitSpec, KernelSpec, TarSpec
from harness.kernel.tree import list_files
from harness.kernel.version import parse_version
from harness.progress import Silence
from harness.store import Store
from tests.support.git import git

MAKEFILE = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\n"


def provide(spec: KernelSpec, root: Path) -> Source:
    return provide_source(spec, Store(root / "store"), Silence())


@pytest.fixture
def kernel_tree(tmp_path: Path) -> Path:
    root = tmp_path / "linux"
    (root / "mm").mkdir(parents=True)
    (root / "Makefile").write_text(MAKEFILE)
    (root / "mm/gup.c").write_text("int gup;\n")
    (root / "mm/link.c").symlink_to("gup.c")
    return root


@pytest.fixture
def repository(kernel_tree: Path) -> Path:
    git(kernel_tree, "init", "-q")
    (kernel_tree / ".gitignore").write_text("*.o\n.*\n!.gitignore\n")
    git(kernel_tree, "add", ".")
    git(kernel_tree, "commit", "-q", "-m", "one")
    return kernel_tree


def test_the_version_stands_in_the_makefile() -> None:
    assert parse_version(MAKEFILE) == (6, 12, 117)
    assert parse_version("VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = \n") == (7, 2, 0)
    with pytest.raises(ValueError, match="VERSION"):
        parse_version("all:\n\techo VERSION\n")


def test_a_directory_is_used_in_place_and_named_by_its_content(
    kernel_tree: Path, tmp_path: Path
) -> None:
    first = provide(DirectorySpec(kernel_tree), tmp_path)
    assert (first.path, first.version) == (kernel_tree, (6, 12, 117))
    copy = tmp_path / "copy"
    shutil.copytree(kernel_tree, copy, symlinks=True)
    assert provide(DirectorySpec(copy), tmp_path).identity == first.identity
    (copy / "mm/gup.c").write_text("int GUP;\n")
    assert provide(DirectorySpec(copy), tmp_path).identity != first.identity
    (kernel_tree / "mm/gup.c").touch()
    assert provide(DirectorySpec(kernel_tree), tmp_path).identity == first.identity


def test_an_edit_that_keeps_size_and_time_is_seen(kernel_tree: Path, tmp_path: Path) -> None:
    before = provide(DirectorySpec(kernel_tree), tmp_path)
    file = kernel_tree / "mm/gup.c"
    times = file.stat()
    file.write_text("int GUP;\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert provide(DirectorySpec(kernel_tree), tmp_path).identity != before.identity
    with pytest.raises(UserError, match="was changed while"):
        before.check_unchanged()


def test_a_link_that_points_elsewhere_makes_another_source(
    kernel_tree: Path, tmp_path: Path
) -> None:
    before = provide(DirectorySpec(kernel_tree), tmp_path)
    (kernel_tree / "mm/link.c").unlink()
    (kernel_tree / "mm/link.c").symlink_to("../Makefile")
    assert provide(DirectorySpec(kernel_tree), tmp_path).identity != before.identity


def test_a_tree_that_was_built_in_place_is_refused_with_the_remedy(
    kernel_tree: Path, tmp_path: Path
) -> None:
    (kernel_tree / ".config").touch()
    with pytest.raises(UserError, match="built in place") as caught:
        provide(DirectorySpec(kernel_tree), tmp_path)
    assert f"make -C {kernel_tree} mrproper" in (caught.value.hint or "")


def test_a_git_tree_that_was_built_in_place_is_copied_without_the_build(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "mm/new.c").write_text("int fresh;\n")
    clean = provide(DirectorySpec(repository), tmp_path)
    assert clean.path == repository
    for name in (".config", "mm/gup.o"):
        (repository / name).write_text("built")
    built = provide(DirectorySpec(repository), tmp_path)
    assert built.identity == clean.identity
    assert built.path != repository
    assert (built.path / "mm/new.c").exists()
    assert (built.path / "mm/link.c").is_symlink()
    assert not any((built.path / name).exists() for name in (".config", "mm/gup.o", ".git"))


def test_a_file_that_cannot_be_read_is_named(
    kernel_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Path) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("harness.kernel.contents._digest", refuse)
    with pytest.raises(UserError, match=r"/linux/\w+ cannot be read: Permission denied"):
        provide_source(DirectorySpec(kernel_tree), Store(tmp_path / "store"), Silence())


def test_a_directory_that_is_no_kernel_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no Linux source tree"):
        provide(DirectorySpec(tmp_path), tmp_path)


def test_a_commit_is_taken_without_touching_work_tree_or_index(
    repository: Path, tmp_path: Path
) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "mm/gup.c").write_text("int edited;\n")
    (repository / "mm/staged.c").write_text("int staged;\n")
    git(repository, "add", "mm/staged.c")
    index = (repository / ".git/index").read_bytes()
    status = git(repository, "status", "--porcelain")

    source = provide(GitSpec(repository, "HEAD"), tmp_path)
    assert source.identity == f"git {commit}"
    assert source.revision == commit[:12]
    assert (source.path / "mm/gup.c").read_text() == "int gup;\n"
    assert not (source.path / "mm/staged.c").exists()
    assert (repository / ".git/index").read_bytes() == index
    assert git(repository, "status", "--porcelain") == status


def test_the_repository_that_was_named_wins_over_a_hooks_environment(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert provide(GitSpec(repository, "HEAD"), tmp_path).identity == f"git {commit}"


def test_a_commit_is_taken_as_it_was_committed_whatever_the_users_line_ends(
    repository: Path, tmp_path: Path
) -> None:
    git(repository, "config", "core.autocrlf", "true")
    source = provide(GitSpec(repository, "HEAD"), tmp_path)
    assert (source.path / "mm/gup.c").read_bytes() == b"int gup;\n"


def test_a_tree_is_listed_without_a_program_that_its_repository_names(
    repository: Path, tmp_path: Path
) -> None:
    git(repository, "config", "core.fsmonitor", f"touch {tmp_path}/ran; false")
    assert "mm/gup.c" in list_files(repository)
    assert not (tmp_path / "ran").exists()


def test_settings_in_the_environment_hold_such_as_which_directories_are_safe(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As git itself does, which refuses a repository of another user without them."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "/srv/linux")
    (tmp_path / "global").write_text("[safe]\n\tdirectory = /srv/stable\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    said = asked(repository, "config", "--get-all", "safe.directory").decode().split()
    assert said[-2:] == ["/srv/stable", "/srv/linux"]


def test_names_of_one_commit_are_one_source(repository: Path, tmp_path: Path) -> None:
    git(repository, "tag", "-a", "-m", "tag", "v1")
    assert provide(GitSpec(repository, "v1"), tmp_path) == provide(
        GitSpec(repository, "HEAD"), tmp_path
    )


@pytest.mark.parametrize("ref", ["nonsense", "HEAD:Makefile", "--all"])
def test_a_name_of_no_commit_is_the_users_error(repository: Path, tmp_path: Path, ref: str) -> None:
    with pytest.raises(UserError, match="names no commit"):
        provide(GitSpec(repository, ref), tmp_path)


def test_a_directory_without_git_is_the_users_error(kernel_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a git repository"):
        provide(GitSpec(kernel_tree, "HEAD"), tmp_path)
    with pytest.raises(UserError, match="no such directory"):
        provide(GitSpec(tmp_path / "absent", "HEAD"), tmp_path)


def packed(tree: Path, path: Path) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        tar.add(tree, "linux-6.12")
    return path


def test_a_tarball_is_unpacked_once_and_named_by_its_content(
    kernel_tree: Path, tmp_path: Path
) -> None:
    one = packed(kernel_tree, tmp_path / "one.tar.xz")
    other = Path(shutil.copy(one, tmp_path / "other.tar.xz"))
    source = provide(TarSpec(one), tmp_path)
    assert source.version == (6, 12, 117)
    assert (source.path / "mm/link.c").read_text() == "int gup;\n"
    assert provide(TarSpec(other), tmp_path) == source


def member(name: str, link: str | None = None) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    if link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, link
    else:
        info.size = 4
    return info


@pytest.mark.parametrize(
    "members",
    [
        [member("linux/../../../escaped")],
        [member("linux/door", link="../../.."), member("linux/door/escaped")],
        [member("linux/door", link="/etc")],
        [member("linux/door", link="../../../../..")],
    ],
    ids=["dots", "through a link", "absolute link", "link upwards"],
)
def test_a_tarball_cannot_reach_out_of_its_place(
    kernel_tree: Path, tmp_path: Path, members: list[tarfile.TarInfo]
) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(kernel_tree, "linux")
        for info in members:
            tar.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(UserError, match=r"evil\.tar"):
        provide(TarSpec(path), tmp_path)
    assert not list(tmp_path.rglob("escaped"))
    assert not (tmp_path.parent / "escaped").exists()
    assert list((tmp_path / "store/source").iterdir()) == []


@pytest.mark.parametrize("content", [b"no tar at all", b""])
def test_a_file_that_is_no_tarball_is_the_users_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.tar"):
        provide(TarSpec(tmp_path / "x.tar"), tmp_path)
    with pytest.raises(UserError, match="No such file"):
        provide(TarSpec(tmp_path / "absent.tar"), tmp_path)


class Shelf:
    """Packages in a directory, in the place of Debian's archive."""

    def __init__(self, deb: Path | None, *versions: str) -> None:
        self.deb = deb
        self.versions = versions
        self.fetched: list[str] = []

    def candidates(self, package: str) -> tuple[Candidate, ...]:
        del package
        return tuple(Candidate(version, "sid") for version in self.versions)

    def names(self, prefix: str) -> tuple[str, ...]:
        return (f"{prefix}7.3", f"{prefix}common")

    def download(self, packages: list[str], into: Path) -> tuple[Path, ...]:
        assert self.deb is not None
        self.fetched += packages
        return (Path(shutil.copy(self.deb, into)),)


@pytest.fixture
def deb(kernel_tree: Path, tmp_path: Path) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb makes the package")
    build = tmp_path / "build"
    (build / "DEBIAN").mkdir(parents=True)
    (build / "usr/src").mkdir(parents=True)
    (build / "DEBIAN/control").write_text(
        "Package: linux-source-6.12\nVersion: 6.12.117-1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: test\n"
    )
    packed(kernel_tree, build / "usr/src/linux-source-6.12.tar.xz")
    deb = tmp_path / "linux-source.deb"
    subprocess.run(("dpkg-deb", "-b", build, deb), check=True, capture_output=True)
    return deb


def test_debians_newest_source_is_unpacked_from_its_package(deb: Path, tmp_path: Path) -> None:
    shelf = Shelf(deb, "6.12.117-1", "6.12.94-1")

    store = Store(tmp_path / "store")
    for _ in range(2):
        source = provide_source(DebianSpec("6.12"), store, Silence(), shelf)
    assert source.identity == "debian linux-source-6.12=6.12.117-1"
    assert sorted(path.name for path in source.path.iterdir()) == ["Makefile", "mm"]
    assert source.revision == "6.12.117-1"
    assert shelf.fetched == ["linux-source-6.12=6.12.117-1"]


class Heard(Silence):
    """Keeps the lines that a person would see."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


def test_a_name_that_moves_on_says_so_and_how_to_keep_the_one_before(
    deb: Path, tmp_path: Path
) -> None:
    store, heard = Store(tmp_path / "store"), Heard()
    provide_source(DebianSpec("6.12"), store, heard, Shelf(deb, "6.12.117-1"))
    assert heard.lines == []
    for _ in range(2):
        provide_source(DebianSpec("6.12"), store, heard, Shelf(deb, "6.12.117-2", "6.12.117-1"))
    pinned = check_source(DebianSpec("6.12"), store, Shelf(deb, "6.12.117-2", "6.12.117-1"))
    assert provide_source(pinned, store, heard, Shelf(deb, "6.12.118-1")).revision == "6.12.117-2"
    assert heard.lines == [
        "debian:6.12 is 6.12.117-2 now; --kernel debian:6.12=6.12.117-1 keeps the one before"
    ]


def test_one_revision_is_taken_from_the_store_or_fetched_where_the_mirror_has_it(
    deb: Path, tmp_path: Path
) -> None:
    store, heard = Store(tmp_path / "store"), Heard()
    old = DebianSpec("6.12", "6.12.94-1")
    shelf = Shelf(deb, "6.12.117-1", "6.12.94-1")
    provide_source(DebianSpec("6.12"), store, heard, shelf)
    source = provide_source(old, store, heard, shelf)
    assert (source.revision, source.identity) == (
        "6.12.94-1",
        "debian linux-source-6.12=6.12.94-1",
    )
    assert shelf.fetched[1:] == ["linux-source-6.12=6.12.94-1"]
    assert provide_source(old, store, heard, Shelf(None)) == source
    assert heard.lines == []


def test_revisions_in_the_store_are_sorted_as_debian_does(tmp_path: Path) -> None:
    newest_first = ["7.3.10-1", "7.3.4-10", "7.3.4-2+b1", "7.3.4-2", "7.3.4-2~bpo13+1", "7.3-1~rc5"]
    for revision in (*newest_first[3:], *newest_first[:3]):
        (tmp_path / "source" / f"linux-source-7.3_{revision}").mkdir(parents=True)
    (tmp_path / "source" / "linux-source-7.30_7.30.1-1").mkdir()
    assert list(stored_revisions(DebianSpec("7.3"), Store(tmp_path))) == newest_first


def test_a_revision_that_is_nowhere_is_answered_with_those_that_are(
    deb: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    provide_source(DebianSpec("6.12"), store, Silence(), Shelf(deb, "6.12.94-1"))
    gone = DebianSpec("6.12", "6.12.95-1")
    with pytest.raises(UserError) as caught:
        provide_source(gone, store, Silence(), Shelf(None, "6.12.117-1"))
    assert caught.value.message == (
        "linux-source-6.12 6.12.95-1 is not in the store, and Debian's mirror has 6.12.117-1"
    )
    assert caught.value.hint == "debian:6.12=6.12.94-1, debian:6.12=6.12.117-1"


def test_a_version_that_debian_has_no_more_is_answered_with_what_there_is(
    tmp_path: Path,
) -> None:
    with pytest.raises(UserError, match=r"no linux-source-7\.2") as caught:
        provide_source(DebianSpec("7.2"), Store(tmp_path), Silence(), Shelf(None))
    assert "debian:7.3" in (caught.value.hint or "")
    assert "debian:6.1" in (caught.value.hint or "")
    assert "debian:7.2" not in (caught.value.hint or "")


def test_security_updates_of_every_stable_release_are_looked_at() -> None:
    suites = load_suites()
    assert {suite.name for suite in suites.carrying("6.1")} >= {"bookworm", "bookworm-security"}
    assert {suite.name for suite in suites.carrying("6.12")} >= {"trixie", "trixie-security"}
    assert {suite.name for suite in suites.carrying("7.2")} >= {"sid", "trixie-backports"}


def test_a_version_of_tomorrow_is_looked_for_where_candidates_are() -> None:
    names = {suite.name for suite in load_suites().carrying("99.0")}
    assert names >= {"sid", "experimental"}
