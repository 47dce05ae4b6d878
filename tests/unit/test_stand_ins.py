"""What stands in for Debian's packages: a compiler by its prefix, and a root by its archive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pty
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import build_parser
from harness.errors import UserError
from harness.image.given_root import read_root
from harness.image.packages import GUEST_YAML
from harness.image.root import provide_base_image
from harness.kernel.make import find_toolchain
from harness.stand_ins import StandIns
from harness.store import Store
from harness.target import load_targets
from tests.support.checkout import ROOT
from tests.support.regressions import regression_patch

TARGETS = load_targets()
ARM64 = TARGETS["arm64"]


@pytest.fixture
def toolchain(tmp_path: Path) -> Path:
    """A cross compiler in a folder of its own; it says a version and compiles nothing."""
    programs = tmp_path / "cross" / "bin"
    programs.mkdir(parents=True)
    for tool in ("gcc", "ld"):
        program = programs / f"mine-{tool}"
        program.write_text(f"#!/bin/sh\necho mine-{tool} 99.1\n")
        program.chmod(0o755)
    return programs


def test_a_prefix_takes_the_place_of_debians(
    toolchain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toolchain.parent)
    (target,) = StandIns("bin/mine-").select(["arm64"], TARGETS)
    found = find_toolchain(target)
    assert found.cross_compile == f"{toolchain}/mine-"
    assert found.version == "mine-gcc 99.1; mine-ld 99.1"
    assert found.places == (toolchain.parent,)


def test_a_compiler_in_the_home_folder_shows_builds_no_more_than_itself(
    toolchain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(toolchain.parent))
    (target,) = StandIns(f"{toolchain}/mine-").select(["arm64"], TARGETS)
    assert find_toolchain(target).places == (toolchain,)


def test_debians_compiler_needs_nothing_beyond_usr() -> None:
    assert find_toolchain(ARM64).places == ()


def test_targets_of_one_architecture_share_a_compiler() -> None:
    both = StandIns("mine-").select(["ppc64-hash,ppc64-radix"], TARGETS)
    assert {target.kernel.cross_compile for target in both} == {"mine-"}


@pytest.mark.parametrize("given", [StandIns("mine-"), StandIns(guest_root=Path("root.tar"))])
def test_targets_of_several_architectures_share_nothing(given: StandIns) -> None:
    (argument,) = given.arguments
    option = argument.partition("=")[0]
    with pytest.raises(UserError, match=f"{option} is for one architecture") as caught:
        given.select(["arm64", "s390x"], TARGETS)
    assert caught.value.hint == "--arch arm64"


def root_of(tmp_path: Path, **files: bytes) -> Path:
    path = tmp_path / "root.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("_", "/"))
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return path


def elf_of(machine: int) -> bytes:
    """The first bytes of a little-endian program."""
    header = (
        bytes((0x7F, *b"ELF", 2, 1, 1)) + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little")
    )
    return header + (1).to_bytes(4, "little") + bytes(40)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"bin_sh": b"x"}, "usr/bin/busybox is not in it"),
        ({"bin_busybox": b"#!"}, "usr/bin/busybox is for no machine, the guest is EM_AARCH64"),
        ({"bin_busybox": elf_of(62)}, "usr/bin/busybox is for EM_X86_64, the guest is EM_AARCH64"),
    ],
)
def test_a_root_that_is_none_of_the_guests_is_refused(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    path = root_of(tmp_path, **files)
    with pytest.raises(UserError, match=said) as caught:
        read_root(path, "arm64")
    assert str(path) in str(caught.value)


def test_what_a_root_lacks_is_named(tmp_path: Path) -> None:
    root = root_of(tmp_path, bin_busybox=elf_of(183))
    with pytest.raises(UserError, match="is not in it") as caught:
        provide_base_image(ARM64, Store(tmp_path / "store"), root=root)
    assert str(root) in str(caught.value)
    assert GUEST_YAML.name not in str(caught.value).partition(":")[0]


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 cut"])
def test_no_archive_is_no_root(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is no tar archive"):
        read_root(path, "arm64")
    with pytest.raises(UserError, match="cannot be read"):
        read_root(tmp_path / "nowhere.tar", "arm64")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_damaged_archive_is_no_root(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    busybox = elf_of(183) + b"".join(b"%d" % number for number in range(20_000))
    plain = gzip.decompress(root_of(tmp_path, bin_busybox=busybox).read_bytes())
    whole = pack(plain)
    half = len(whole) // 2
    path = tmp_path / "root.tar"
    one_bit = bytes((whole[half] ^ 1,)) + whole[half + 1 :]
    for end in (b"", bytes(16), bytes(x ^ 255 for x in whole[half:]), one_bit):
        path.write_bytes(whole[:half] + end)
        with pytest.raises(UserError, match="is no tar archive"):
            read_root(path, "arm64")


PATCH = str(regression_patch("pmd-align"))
CELL = ("--arch", "s390x", "--scenario", "gup-anon")


@pytest.mark.parametrize(
    "command",
    [
        ("build", *CELL),
        ("qemu", "s390x"),
        ("shell", "s390x"),
        ("bisect", "--series", PATCH, *CELL),
        ("bisect-step", "--kernel", "debian:6.1", *CELL),
        ("series", PATCH, *CELL),
    ],
    ids=lambda command: command[0],
)
def test_commands_that_build_kernels_take_a_compiler(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    """One that is not there: which one was asked for is then said."""
    words = [sys.executable, "-m", "harness.cli", *command, "--cross-compile", "absent-"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    leader, terminal = pty.openpty()  # which shell wants
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=environ,
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
    )
    for end in (leader, terminal):
        os.close(end)
    assert "absent-gcc, absent-ld missing on this host" in done.stdout + done.stderr
    assert done.returncode in {1, 3, 125}


@pytest.mark.parametrize("name", ["build", "qemu", "shell", "bisect", "bisect-step", "series"])
def test_commands_that_boot_guests_take_a_root(name: str) -> None:
    needed = {"qemu": ["s390x"], "shell": ["s390x"], "bisect": ["--series", "x"], "series": ["x"]}
    words = [name, *needed.get(name, []), "--guest-root", "root.tar"]
    given = StandIns.of(build_parser().parse_args(words))
    assert given.arguments == ("--guest-root=root.tar",)
