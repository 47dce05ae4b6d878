"""The private apt, with apt itself on a signed archive of three packages in a directory."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.apt import host as apt_host
from harness.apt import private
from harness.apt.host import AptHost, Mirrors, parse_index_targets, parse_release_files
from harness.apt.lists import MAX_AGE_SECONDS, RETRY_WAITS, SILENT_SECONDS, Lists
from harness.apt.private import Candidate, PrivateApt, Suite
from harness.errors import InfrastructureError, UserError
from harness.store import Store

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "gpg", "dpkg-deb"))),
    reason="apt-get, gpg and dpkg-deb are needed to make an archive and to read it",
)

CONTROL = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: nobody <nobody@example.org>
Description: test
{more}"""


class Archive:
    """A directory that is a Debian archive: suites, packages, one signing key."""

    def __init__(self, root: Path, gnupg: Path) -> None:
        self.root = root
        self.gnupg = gnupg
        self.keyring = root / "key.gpg"
        root.mkdir()
        # The agent's socket has a short place of its own: paths of sockets are limited.
        self._gpg("--quick-gen-key", "test@example.org", "ed25519", "sign", "never")
        self.keyring.write_bytes(self._gpg("--export", "test@example.org"))

    def add(
        self, suite: str, name: str, version: str, architecture: str = "s390x", more: str = ""
    ) -> None:
        """One package, listed for s390x."""
        tree = self.root / "build" / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = CONTROL.format(name=name, version=version, architecture=architecture, more=more)
        (tree / "DEBIAN/control").write_text(control)
        deb = self.root / "pool" / f"{name}_{version}_{architecture}.deb"
        deb.parent.mkdir(exist_ok=True)
        run("dpkg-deb", "--root-owner-group", "-b", tree, deb)
        content = deb.read_bytes()
        entry = (
            f"{control}Filename: pool/{deb.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n"
        )
        packages = self.packages(suite)
        packages.parent.mkdir(parents=True, exist_ok=True)
        with packages.open("a") as file:
            file.write(entry)
        self.sign(suite)

    def add_source(self, suite: str, name: str, version: str) -> None:
        """One source package: what upstream has, Debian's changes, and what describes both."""
        files = {
            f"{name}_{version}.orig.tar.gz": b"upstream",
            f"{name}_{version}-1.debian.tar.xz": b"changes",
            f"{name}_{version}-1.dsc": b"description",
        }
        rows = []
        for file, content in files.items():
            (self.root / "pool").mkdir(exist_ok=True)
            (self.root / "pool" / file).write_bytes(content)
            rows.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {file}")
        sources = self.root / f"dists/{suite}/main/source/Sources"
        sources.parent.mkdir(parents=True, exist_ok=True)
        listed = "\n".join(rows)
        sources.write_text(
            f"Package: {name}\nFormat: 3.0 (quilt)\nBinary: {name}\nArchitecture: any\n"
            f"Version: {version}-1\nDirectory: pool\nChecksums-Sha256:\n{listed}\n\n"
        )
        self.sign(suite)

    def packages(self, suite: str) -> Path:
        return self.root / f"dists/{suite}/main/binary-s390x/Packages"

    def sign(self, suite: str, signed: bool = True) -> None:
        directory = self.root / "dists" / suite
        indices = [path for path in directory.glob("main/*/*") if path.is_file()]
        listed = "".join(
            f" {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size}"
            f" {path.relative_to(directory)}\n"
            for path in indices
        )
        (directory / "Release").write_text(
            f"Origin: Test\nSuite: {suite}\nCodename: {suite}\n"
            "Date: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: s390x\nComponents: main\n"
            f"SHA256:\n{listed}"
        )
        (directory / "InRelease").unlink(missing_ok=True)
        if signed:
            self._gpg("--clearsign", "-o", directory / "InRelease", directory / "Release")

    def host(self) -> AptHost:
        # Not file:, of which apt reads the archive's own lists in place.
        address = f"copy:{self.root}"
        return AptHost(Mirrors(address, address), "s390x", keyring=self.keyring)

    def _gpg(self, *arguments: str | Path) -> bytes:
        options = ("--homedir", self.gnupg, "--batch", "--quiet", "--passphrase", "")
        return run("gpg", *options, *arguments)


def run(*command: str | Path) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    gnupg = tmp_path / "gnupg"
    gnupg.mkdir(mode=0o700)
    yield Archive(tmp_path / "archive", gnupg)
    subprocess.run(("gpgconf", "--homedir", gnupg, "--kill", "all"), check=False)


def private_apt(archive: Archive, tmp_path: Path, *suites: str) -> PrivateApt:
    chosen = [Suite(name) for name in suites]
    return PrivateApt(Store(tmp_path / "store"), chosen, ["s390x"], archive.host(), pause=never)


def never(seconds: float) -> None:
    raise AssertionError(f"waited for {seconds} s")


@needs_tools
def test_the_newest_version_comes_first_whatever_suite_it_is_in(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add("old", "tool", "1.10-1")
    archive.add("old-security", "tool", "1.9-1")
    archive.add("old-security", "tool", "1.10-1+deb1")
    apt = private_apt(archive, tmp_path, "old", "old-security")
    assert apt.candidates("tool") == (
        Candidate("1.10-1+deb1", "old-security"),
        Candidate("1.10-1", "old"),
        Candidate("1.9-1", "old-security"),
    )
    assert apt.candidates("nothing") == ()
    assert apt.names("to") == ("tool",)


@needs_tools
def test_the_closure_is_what_apt_would_install_and_can_be_fetched(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add("old", "tool", "1:2-1", more="Depends: library, data\nRecommends: toy\n")
    archive.add("old", "library", "3-1")
    archive.add("old", "data", "4-1", architecture="all")
    archive.add("old", "toy", "5-1")
    apt = private_apt(archive, tmp_path, "old")
    closure = apt.closure(["tool"], "s390x")
    assert closure == ("data:all=4-1", "library:s390x=3-1", "tool:s390x=1:2-1")
    into = tmp_path / "into"
    into.mkdir()
    files = apt.download(closure, into)
    assert sorted(into.iterdir()) == sorted(files)
    assert {file.name.split("_")[0] for file in files} == {"tool", "library", "data"}
    assert apt.download([], into) == ()


@needs_tools
def test_of_a_source_package_the_upstream_archive_is_fetched(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add_source("old", "tool", "81")
    chosen, host = [Suite("old")], archive.host()
    store, into = Store(tmp_path / "store"), tmp_path / "into"
    into.mkdir()
    apt = PrivateApt(store, chosen, ["s390x"], host, pause=never, sources=True)
    file = apt.download_source("tool", into)
    assert file == into / "tool_81.orig.tar.gz"
    assert list(into.iterdir()) == [file]
    assert file.read_bytes() == b"upstream"
    with pytest.raises(UserError, match=r"nothing.*looked in old"):
        apt.download_source("nothing", into)


@needs_tools
def test_a_package_that_no_suite_has_is_the_users_error(archive: Archive, tmp_path: Path) -> None:
    archive.add("old", "tool", "1-1")
    apt = private_apt(archive, tmp_path, "old")
    with pytest.raises(UserError, match=r"nothing.*looked in old"):
        apt.download(["nothing"], tmp_path)
    with pytest.raises(UserError, match=r"nothing.*looked in old"):
        apt.closure(["nothing"], "s390x")


@needs_tools
def test_lists_are_read_once_a_day(archive: Archive, tmp_path: Path) -> None:
    archive.add("old", "tool", "1-1")
    assert len(private_apt(archive, tmp_path, "old").candidates("tool")) == 1
    archive.add("old", "tool", "2-1")
    assert len(private_apt(archive, tmp_path, "old").candidates("tool")) == 1
    let_a_day_pass(tmp_path)
    assert len(private_apt(archive, tmp_path, "old").candidates("tool")) == 2


@needs_tools
def test_what_was_read_while_the_clock_was_ahead_is_read_again(
    archive: Archive, tmp_path: Path
) -> None:
    """Else the lists of that day stood for as long as the clock had been ahead."""
    archive.add("old", "tool", "1-1")
    assert len(private_apt(archive, tmp_path, "old").candidates("tool")) == 1
    archive.add("old", "tool", "2-1")
    for pattern in ("*/refreshed", "*/said/*"):
        (file,) = (tmp_path / "store/apt").glob(pattern)
        _make_older(file, -400 * MAX_AGE_SECONDS)
    assert len(private_apt(archive, tmp_path, "old").candidates("tool")) == 2


def test_a_mirror_that_was_silent_while_the_clock_was_ahead_is_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []
    lists = Lists(tmp_path, ("old",), lambda: asked.append("again"), asked.append, never)
    lists.stamp.touch()
    _make_older(lists.stamp, MAX_AGE_SECONDS)
    (tmp_path / "asked").touch()
    _make_older(tmp_path / "asked", -400 * MAX_AGE_SECONDS)
    lists.make_ready()
    assert asked == ["again"]


@pytest.mark.parametrize("taken", ["apt", ".locks"])
def test_lists_without_a_place_are_the_hosts_trouble(tmp_path: Path, taken: str) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / taken).touch()
    host = AptHost(Mirrors("http://127.0.0.1:9"), "s390x")
    apt = PrivateApt(Store(tmp_path / "store"), [Suite("old")], ["s390x"], host, never)
    with pytest.raises(InfrastructureError, match=r"cannot be kept|the store at .* failed"):
        apt.candidates("tool")


def let_a_day_pass(tmp_path: Path) -> None:
    (stamp,) = (tmp_path / "store/apt").glob("*/refreshed")
    _make_older(stamp, MAX_AGE_SECONDS)


def _make_older(path: Path, seconds: float) -> None:
    before = path.stat().st_mtime - seconds - 1
    os.utime(path, (before, before))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """The archive over HTTP, without a word on standard error."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@needs_tools
def test_yesterdays_lists_stand_in_for_a_mirror_that_is_silent(
    archive: Archive, tmp_path: Path
) -> None:
    """It is asked once an hour, without the waits of a first time, and who asks is told."""
    archive.add("old", "tool", "1-1")
    handler = functools.partial(Quiet, directory=str(archive.root))
    said: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirrors = Mirrors(f"http://127.0.0.1:{server.server_port}")
        options = ('Acquire::http::Proxy "DIRECT";',)
        host = AptHost(mirrors, "s390x", options, archive.keyring)
        store, suites = Store(tmp_path / "store", said.append), [Suite("old")]
        apt = PrivateApt(store, suites, ["s390x"], host, _never)
        assert len(apt.candidates("tool")) == 1
        server.shutdown()
    let_a_day_pass(tmp_path)
    for _ in range(2):
        assert len(apt.candidates("tool")) == 1
    unreadable, taken = said
    assert unreadable.startswith("Debian's package lists of old cannot be read: apt-get update")
    assert taken == "what Debian has is taken from lists of 1 day ago: old"
    (asked,) = (tmp_path / "store/apt").glob("*/asked")
    _make_older(asked, SILENT_SECONDS)
    assert len(apt.candidates("tool")) == 1
    assert len(said) == 3


def _never(seconds: float) -> None:
    raise AssertionError(f"waits {seconds} s")


def test_a_full_disk_is_told_at_once_and_not_tried_again(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = private_apt(archive, tmp_path, "old")

    def full(*_: object) -> str:
        pages = "Failed to fetch http://a/old/Packages  Error writing to file - write (28: No space"
        raise InfrastructureError(f"apt-get update: {pages} left on device) [IP: 1.2.3.4 80] ...")

    monkeypatch.setattr(private, "run_apt", full)
    store = re.escape(str(tmp_path / "store/apt"))
    words = rf"^no room for Debian's package lists in {store}/\w+: No space left on device\n  try: "
    with pytest.raises(InfrastructureError, match=words):
        apt.candidates("base-files")


@needs_tools
def test_an_archive_in_the_middle_of_an_update_is_read_again(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add("old", "tool", "1-1")
    packages = archive.packages("old")
    whole = packages.read_bytes()
    packages.write_bytes(whole + b"\n")
    waits = []

    def mend(seconds: float) -> None:
        waits.append(seconds)
        packages.write_bytes(whole)

    store = Store(tmp_path / "store")
    apt = PrivateApt(store, [Suite("old")], ["s390x"], archive.host(), pause=mend)
    assert len(apt.candidates("tool")) == 1
    assert len(waits) == 1


@needs_tools
def test_a_suite_that_cannot_be_read_is_named_and_no_other_one_stands_in(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add("old", "tool", "1-1")
    archive.add("old-security", "tool", "2-1")
    with archive.packages("old-security").open("ab") as file:
        file.write(b"\n")
    waits: list[float] = []
    suites = [Suite("old"), Suite("old-security")]
    apt = PrivateApt(
        Store(tmp_path / "store"), suites, ["s390x"], archive.host(), pause=waits.append
    )
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="lists of old-security cannot be read"):
            apt.candidates("tool")
    assert waits == [*RETRY_WAITS]  # the next cell of a run hears the same at once


@needs_tools
@pytest.mark.parametrize("forged", ["unsigned", "other key"])
def test_an_archive_that_the_keyring_does_not_vouch_for_is_refused(
    archive: Archive, tmp_path: Path, forged: str
) -> None:
    archive.add("old", "tool", "1-1")
    if forged == "unsigned":
        archive.sign("old", signed=False)
    else:
        archive.keyring.write_bytes(b"")
    apt = PrivateApt(
        Store(tmp_path / "store"), [Suite("old")], ["s390x"], archive.host(), pause=lambda _: None
    )
    with pytest.raises(InfrastructureError, match="is not signed"):
        apt.candidates("tool")


def test_a_security_suite_without_a_mirror_says_how_to_name_one(tmp_path: Path) -> None:
    host = AptHost(Mirrors("file:/nowhere"), "amd64")
    with pytest.raises(UserError, match="no mirror is known") as caught:
        PrivateApt(Store(tmp_path), [Suite("bookworm-security")], host=host)
    assert "DAXHOUND_SECURITY_MIRROR" in (caught.value.hint or "")


INDEX_TARGETS = """\
Google|cloud-sdk|https://packages.example.org/apt/
Debian|bookworm-security|http://security.example.org/debian-security/
Debian|bookworm-updates|http://one.example.org/debian/
Debian|bookworm|http://two.example.org/debian/
"""

RELEASE_FILES = """\
'https://packages.example.org/apt/dists/stable/InRelease' packages.example.org_InRelease 0
'http://one.example.org/debian/dists/bookworm/InRelease' one.example.org_InRelease 0
'http://one.example.org/debian/dists/bookworm/main/binary-amd64/Packages.xz' one_Packages 0
'http://one.example.org/debian-security/dists/bookworm-security/InRelease' one_InRelease 0
"""


def test_mirrors_are_debians_and_the_security_suites_have_their_own() -> None:
    assert parse_index_targets(INDEX_TARGETS) == Mirrors(
        "http://one.example.org/debian", "http://security.example.org/debian-security"
    )
    assert parse_index_targets("Ubuntu|noble|http://one.example.org/ubuntu/\n") is None


def test_a_host_without_lists_knows_its_mirrors_by_the_names_of_suites() -> None:
    suites = ("bookworm", "bookworm-security")
    assert parse_release_files(RELEASE_FILES, suites) == Mirrors(
        "http://one.example.org/debian", "http://one.example.org/debian-security"
    )
    assert parse_release_files(RELEASE_FILES, ("trixie",)) is None


def test_mirrors_of_the_environment_come_before_the_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configuration = 'APT "";\nAPT::Architecture "arm64";\nAcquire::http::Proxy "http://p:1";\n'
    configuration += 'Acquire::AllowInsecureRepositories "1";\n'
    monkeypatch.setattr(apt_host, "run_apt", lambda _: configuration)
    host = apt_host.read_host((), {"DAXHOUND_MIRROR": "http://m/debian"})
    assert host.mirrors == Mirrors("http://m/debian", None)
    assert host.architecture == "arm64"
    assert host.transport == ('Acquire::http::Proxy "http://p:1";',)


def test_a_configuration_may_be_in_any_encoding() -> None:
    said = apt_host.run_apt(("printf", r'Some::Option "caf\351";'))
    assert said == 'Some::Option "caf\N{REPLACEMENT CHARACTER}";'


def test_a_host_without_any_debian_mirror_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apt_host, "run_apt", lambda _: "")
    with pytest.raises(UserError, match="no Debian mirror") as caught:
        apt_host.find_mirrors((), {})
    assert "DAXHOUND_MIRROR" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("archive", "security", "used"),
    [
        ("http://mirror/debian", None, "http://mirror/debian-security"),
        ("http://mirror/debian/", None, "http://mirror/debian-security"),
        ("http://mirror/debian", "http://other/security", "http://other/security"),
        ("http://mirror/all", None, None),
    ],
)
def test_security_updates_are_looked_for_beside_the_archive(
    archive: str, security: str | None, used: str | None
) -> None:
    assert Mirrors(archive, security).security_or_sibling == used
