"""Hosts that are no Debian: what their packages are called, and what shows that they are there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import doctor, host_packages
from harness.apt.host import AptHost, Mirrors
from harness.errors import UserError
from harness.host_packages import APT, load_host_packages, this_manager
from harness.target import load_targets

TARGETS = load_targets()
PACKAGES = load_host_packages()


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        ("ID=debian", APT),
        ('ID=ubuntu\nID_LIKE="debian"', APT),
        ("ID=fedora", "dnf install"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', "dnf install"),
        ("ID=arch", "pacman -S --needed"),
        ("ID=manjaro\nID_LIKE=arch", "pacman -S --needed"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"', "zypper install"),
        ("ID=plan9", APT),
        ("", APT),
    ],
)
def test_each_distribution_has_its_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, os_release: str, command: str
) -> None:
    (tmp_path / "os-release").write_text(os_release)
    monkeypatch.setattr(host_packages, "OS_RELEASE", tmp_path / "os-release")
    assert this_manager().command == command


@pytest.mark.parametrize("manager", PACKAGES.managers, ids=lambda m: m.command.split()[0])
def test_names_are_of_packages_that_somebody_needs(manager: host_packages.Manager) -> None:
    needed = {entry.package for entry in PACKAGES.build}
    for target in TARGETS.values():
        needed |= {*target.packages.compiler, *target.packages.qemu}
    assert set(manager.names) <= needed


@pytest.fixture
def fedora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host of Fedora whose PATH is one folder; there is no package in it."""
    release = tmp_path / "os-release"
    release.write_text("ID=fedora\n")
    monkeypatch.setattr(host_packages, "OS_RELEASE", release)
    monkeypatch.delenv("DAXHOUND_QEMU", raising=False)
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_what_a_host_without_dpkg_lacks_is_named_in_its_words(fedora: Path) -> None:
    for name in ("make", "gcc", "xz"):
        (fedora / name).touch(mode=0o755)
    diagnosis = doctor.diagnose([TARGETS["s390x"]])
    assert {"bison", "gpg-agent"} <= set(diagnosis.missing_tools)
    assert not {"make", "gcc", "xz-utils"} & set(diagnosis.missing_tools)
    assert diagnosis.targets[0].missing == ("gcc-s390x-linux-gnu", "qemu-system-misc")
    said = doctor.render(diagnosis)
    assert "to install: dnf install " in said
    assert "qemu-system-s390x-core" in said
    assert "gnupg2" in said.partition("to install")[2]
    assert doctor.to_json(diagnosis)["install_command"].startswith("dnf install ")


def test_nothing_is_installed_by_a_manager_that_nobody_tried(fedora: Path) -> None:
    del fedora
    with pytest.raises(UserError, match="only apt-get") as caught:
        doctor.install(["bison", "libelf-dev"])
    assert "as root: dnf install bison elfutils-libelf-devel" in str(caught.value)


def test_a_compiler_that_is_in_no_package_is_told_of(fedora: Path, tmp_path: Path) -> None:
    del fedora
    (tmp_path / "os-release").write_text("ID=arch\n")
    said = doctor.render(doctor.diagnose([TARGETS["s390x"]]))
    assert "packaged by nobody here: gcc-s390x-linux-gnu; see --cross-compile" in said


def test_backports_are_read_into_a_folder_that_its_maker_can_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By apt itself, which root runs for somebody else, as sudo does; of no mirror."""
    somebody = 65534 if os.geteuid() == 0 else os.geteuid()
    real_apt, nothing = doctor._apt, ["-o", "Dir::Etc::SourceList=/dev/null"]
    nothing += ["-o", "Dir::Etc::SourceParts=/dev/null"]
    owners: list[int] = []

    def apt(prefix: list[str], words: Sequence[str], environment: dict[str, str]) -> None:
        os.chown(tmp_path / "lists/partial", somebody, -1)
        real_apt(prefix, [*words[:-1], *nothing, words[-1]], environment)
        owners.append((tmp_path / "lists/partial").stat().st_uid)

    monkeypatch.setattr(doctor, "_apt", apt)
    monkeypatch.setattr(doctor, "read_os_release", lambda: {"VERSION_CODENAME": "bookworm"})
    host = AptHost(Mirrors("file:/nowhere/debian"), "amd64")
    monkeypatch.setattr(doctor, "read_host", lambda _: host)
    assert "bookworm-backports" in doctor._backports([], tmp_path, dict(os.environ))
    assert owners == [somebody]
