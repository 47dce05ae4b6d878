"""Finding the newest QEMU, among scripts that say what a QEMU says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.host_version import ask_ahead, said_version
from harness.machine.versions import QEMU_DIRECTORY, find_emulator, parse_version, read_version

BINARY = "qemu-system-ppc64"


def make_qemu(directory: Path, version: str) -> Path:
    directory.mkdir()
    path = directory / BINARY
    path.write_text(f"#!/bin/sh\necho 'QEMU emulator version {version} (Debian 1:{version})'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def only_path(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv(QEMU_DIRECTORY, raising=False)
    return monkeypatch


def test_newest_of_path_wins_and_the_variable_alone_decides(
    tmp_path: Path, only_path: pytest.MonkeyPatch
) -> None:
    old, new = make_qemu(tmp_path / "old", "9.2.4"), make_qemu(tmp_path / "new", "10.0.2")
    only_path.setenv("PATH", f"{old.parent}:{new.parent}")
    assert find_emulator(BINARY).path == new
    only_path.setenv(QEMU_DIRECTORY, str(old.parent))
    assert find_emulator(BINARY).version == (9, 2, 4)
    only_path.setenv(QEMU_DIRECTORY, str(tmp_path))
    with pytest.raises(InfrastructureError, match=QEMU_DIRECTORY):
        find_emulator(BINARY)


def test_missing_binary_names_the_packages(tmp_path: Path, only_path: pytest.MonkeyPatch) -> None:
    only_path.setenv("PATH", str(tmp_path))
    with pytest.raises(
        InfrastructureError, match="apt-get install --no-install-recommends qemu-system-ppc"
    ):
        find_emulator(BINARY, ("qemu-system-ppc",))


def test_version_of_another_program_is_no_version(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="names no version"):
        parse_version("qemu-img version 10.0.2", tmp_path)


def test_binary_that_cannot_run_is_an_infrastructure_error(tmp_path: Path) -> None:
    path = tmp_path / BINARY
    path.write_text("no program")
    path.chmod(0o755)
    with pytest.raises(InfrastructureError, match="--version"):
        read_version(path)


def test_a_program_that_gave_no_answer_is_asked_again(tmp_path: Path) -> None:
    program = tmp_path / "cc"
    with pytest.raises(InfrastructureError, match="No such file"):
        said_version(program)
    program.write_text("#!/bin/sh\necho $1\n")
    with pytest.raises(InfrastructureError, match="Permission denied"):
        said_version(program)
    program.chmod(0o755)
    assert said_version(program) == "--version\n"


def test_a_program_is_asked_once_ahead_or_not_until_it_changes(
    tmp_path: Path, only_path: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "cc"
    program.write_text(f"#!/bin/sh\necho x >>{asked}; echo $1\n")
    program.chmod(0o755)
    only_path.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    ask_ahead(["cc", "no-such-program"])
    assert said_version(program) == said_version(program) == "--version\n"
    assert asked.read_text() == "x\n"
    os.utime(program, ns=(0, 0))
    assert said_version(program) == "--version\n"
    assert asked.read_text() == "x\nx\n"
