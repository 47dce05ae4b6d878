"""What stands in for Debian's packages: a compiler by its prefix, and a root by its archive."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.image.given_root import read_root
from harness.image.packages import GUEST_YAML
from harness.image.root import provide_base_image
from harness.kernel.make import find_toolchain
from harness.store import Store
from harness.target import check_one_architecture, load_targets, with_compiler

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
    (target,) = with_compiler([ARM64], "bin/mine-")
    found = find_toolchain(target)
    assert found.cross_compile == f"{toolchain}/mine-"
    assert found.version == "mine-gcc 99.1; mine-ld 99.1"
    assert found.places == (toolchain.parent,)


def test_a_compiler_in_the_home_folder_shows_builds_no_more_than_itself(
    toolchain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(toolchain.parent))
    (target,) = with_compiler([ARM64], f"{toolchain}/mine-")
    assert find_toolchain(target).places == (toolchain,)


def test_debians_compiler_needs_nothing_beyond_usr() -> None:
    assert find_toolchain(ARM64).places == ()


def test_targets_of_one_architecture_share_a_compiler() -> None:
    both = with_compiler([TARGETS["ppc64-hash"], TARGETS["ppc64-radix"]], "mine-")
    assert {target.kernel.cross_compile for target in both} == {"mine-"}
    with pytest.raises(UserError, match="--guest-root is for one architecture"):
        check_one_architecture([ARM64, TARGETS["s390x"]], "--guest-root")


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
