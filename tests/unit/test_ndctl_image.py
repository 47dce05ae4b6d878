"""What ndctl's tests are built of and run with in a guest: no meson, no network, no guest."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.image import cpio, ndctl_build, ndctl_suite
from harness.image.ndctl_build import NdctlBuild, check_tools
from harness.image.ndctl_contents import SourcePackage, load_ndctl_contents
from harness.image.ndctl_source import provide_ndctl_source
from harness.image.ndctl_suite import JOURNAL
from harness.image.sysroot import provide_sysroot
from harness.progress import Silence
from harness.store import Store
from harness.target import load_targets

TARGET = load_targets()["x86_64"]


class Packages:
    """In apt's place: one package with a header, a library, its links and a manual."""

    def closure(self, packages: Sequence[str], architecture: str) -> tuple[str, ...]:
        return tuple(f"{name}:{architecture}=1" for name in packages)

    def download(self, wanted: Sequence[str], into: Path) -> tuple[Path, ...]:
        assert wanted == ("libx-dev:amd64=1",)
        root = into / "root"
        for path in ("usr/include/x.h", "lib/x86_64-linux-gnu/libx.so.1", "usr/share/man/x"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(path)
        libraries = root / "usr/lib/x86_64-linux-gnu"
        libraries.mkdir(parents=True)
        (libraries / "libx.so").symlink_to("/lib/x86_64-linux-gnu/libx.so.1")
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            "Package: libx-dev\nVersion: 1\nArchitecture: amd64\nMaintainer: x\nDescription: x\n"
        )
        deb = into / "libx-dev.deb"
        command = ["dpkg-deb", "--root-owner-group", "-b", str(root), str(deb)]
        subprocess.run(command, check=True, capture_output=True)
        return (deb,)


def test_links_of_a_sysroot_stay_within_it(tmp_path: Path) -> None:
    root = provide_sysroot("amd64", "s", ["libx-dev"], Store(tmp_path), Silence(), Packages())
    library = root / "usr/lib/x86_64-linux-gnu/libx.so"
    assert library.read_text() == "lib/x86_64-linux-gnu/libx.so.1"
    assert library.resolve().is_relative_to(root.resolve())
    assert (root / "lib/x86_64-linux-gnu/libx.so.1").is_file()
    assert (root / "usr/include/x.h").is_file()
    assert not (root / "usr/share").exists()


class Archives:
    """In apt's place: an upstream archive, or what is none."""

    def __init__(self, sound: bool) -> None:
        self.sound = sound

    def download_source(self, package: str, into: Path) -> Path:
        path = into / f"{package}_81.orig.tar.gz"
        if self.sound:
            (into / "meson.build").write_text("project('x')")
            with tarfile.open(path, "w:gz") as archive:
                archive.add(into / "meson.build", f"{package}-81/meson.build")
            (into / "meson.build").unlink()
        else:
            path.write_bytes(b"no archive")
        return path


def test_the_source_is_unpacked_once(tmp_path: Path) -> None:
    wanted, store = SourcePackage(package="ndctl", suite="s"), Store(tmp_path)
    root = provide_ndctl_source(wanted, store, Silence(), Archives(sound=True))
    assert [path.name for path in root.iterdir()] == ["meson.build"]
    assert provide_ndctl_source(wanted, store, Silence(), Archives(sound=False)) == root


def test_a_broken_archive_is_the_hosts_trouble(tmp_path: Path) -> None:
    wanted = SourcePackage(package="ndctl", suite="s")
    with pytest.raises(InfrastructureError, match=r"ndctl_81\.orig\.tar\.gz cannot be unpacked"):
        provide_ndctl_source(wanted, Store(tmp_path), Silence(), Archives(sound=False))


def test_tools_that_are_missing_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name == "meson" or None)
    with pytest.raises(InfrastructureError, match=r"ninja, pkg-config missing: .* ninja-b"):
        check_tools()


def test_a_build_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndctl_build, "check_tools", lambda: None)
    monkeypatch.setattr(ndctl_build, "wrap", lambda *_, **__: ("sh", "-c", "echo no uuid; exit 1"))
    build = NdctlBuild(TARGET, tmp_path, tmp_path, (), tmp_path)
    with pytest.raises(InfrastructureError, match="ndctl does not build:\n  no uuid"):
        build.run()
    cross = (tmp_path / "cross.ini").read_text()
    assert f"c = ['x86_64-linux-gnu-gcc', '--sysroot={tmp_path}']" in cross
    assert f"{tmp_path}/usr/lib/x86_64-linux-gnu/pkgconfig" in cross


def test_programs_bring_the_libraries_that_they_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Path("/bin/sh").resolve().read_bytes()
    debian = {
        path: cpio.file(path, b"")
        for path in (
            "usr/lib64/ld-linux-x86-64.so.2",
            "usr/lib/x86_64-linux-gnu/libc.so.6",
            "usr/lib/x86_64-linux-gnu/libz.so.1",
            *load_ndctl_contents().programs,
        )
    }
    monkeypatch.setattr(ndctl_suite, "read_packages", lambda _: debian)
    built = cpio.file("usr/lib/ndctl-suite/test/libndctl", shell, 0o755)
    chosen = ndctl_suite._with_packages([built], tmp_path, load_ndctl_contents())
    paths = {entry.path for entry in chosen}
    assert "usr/lib/x86_64-linux-gnu/libc.so.6" in paths
    assert "usr/lib/x86_64-linux-gnu/libz.so.1" not in paths


def test_the_journal_is_the_kernels_messages_of_the_last_seconds(tmp_path: Path) -> None:
    now = int(float(Path("/proc/uptime").read_text().split()[0]))
    lines = [f"[{now - 100:5}.123456] old", f"[{now - 2:5}.123456] Call Trace: [x]"]
    program = tmp_path / "dmesg"
    program.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")
    program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["sh", str(JOURNAL), "-r", "-k", "--since", "-31s"]
    said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == lines[1:]
    other = subprocess.run(["sh", str(JOURNAL), "-u", "x"], capture_output=True, check=False)
    assert other.returncode == 1
