"""What goes into the guest's root, without a guest: packages, selection, keys, init."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.command_line import PORTS
from harness.errors import InfrastructureError, UserError
from harness.guest import serial
from harness.guest.assembly import READY
from harness.guest.steps import rdma
from harness.image import compose_initrd, cpio, dropbear_host_key, run_archive
from harness.image.gup_test import common_sources, find_gup_test
from harness.image.initrd import AUTHORIZED_KEYS, HOST_KEY
from harness.image.overlay import kernel_modules
from harness.image.packages import (
    GuestContents,
    load_guest_contents,
    loads,
    read_packages,
    read_tar,
    select,
)
from harness.image.programs import SOURCES
from harness.image.root import base_archive, provide_packages
from harness.store import Store

SCRIPT = b"#!/bin/sh\n"
_INIT = SOURCES / "init.c"


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    """A tar archive of plain files, given as (name, content), and of ready-made members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size, info.mode = len(member[1]), 0o755
                archive.addfile(info, io.BytesIO(member[1]))
            else:
                archive.addfile(member)
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def contents_of(**changes: object) -> GuestContents:
    lists = ("packages", "skip", "programs", "files", "busybox", "libraries")
    empty = {"suite": "s", "stand_ins": (), **dict.fromkeys(lists, ())}
    return GuestContents.model_validate({**empty, **changes})


def tree_of(*members: tarfile.TarInfo | tuple[str, bytes]) -> dict[str, cpio.Entry]:
    return {entry.path: entry for entry in read_tar(tar_of(*members))}


class TestReadTar:
    def test_usr_is_merged(self) -> None:
        tree = tree_of(("./sbin/mke2fs", SCRIPT), ("./lib64/ld.so", b""), ("./etc/x", b""))
        assert set(tree) == {"usr/sbin/mke2fs", "usr/lib64/ld.so", "etc/x"}

    def test_names_that_only_start_like_a_merged_folder_stay(self) -> None:
        assert set(tree_of(("./library/x", b""), ("./binary", b""))) == {"library/x", "binary"}

    def test_an_empty_file_is_kept(self) -> None:
        assert tree_of(("./etc/empty", b""))["etc/empty"].data == b""

    def test_hard_link_is_a_copy(self) -> None:
        tree = tree_of(("./bin/a", SCRIPT), link("./bin/b", "./bin/a", tarfile.LNKTYPE))
        assert tree["usr/bin/b"].data == SCRIPT

    def test_set_user_id_bits_are_dropped(self) -> None:
        info = tarfile.TarInfo("./bin/su")
        info.mode = 0o4755
        assert tree_of(info)["usr/bin/su"].mode & 0o7777 == 0o755

    @pytest.mark.parametrize("name", ["../etc/passwd", "./usr/../../x", "a/.."])
    def test_name_that_escapes_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="out of the root"):
            tree_of((name, b"x"))

    def test_hard_link_to_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="hard link to nothing"):
            tree_of(link("./bin/b", "./bin/a", tarfile.LNKTYPE))


class TestSelect:
    def test_links_are_followed_and_kept(self) -> None:
        tree = tree_of(
            link("./sbin/mkfs.ext4", "mke2fs"), ("./sbin/mke2fs", SCRIPT), ("./bin/other", SCRIPT)
        )
        chosen = select(tree, ("usr/sbin/mkfs.ext4",))
        assert {entry.path for entry in chosen} == {"usr/sbin/mkfs.ext4", "usr/sbin/mke2fs"}

    def test_absolute_link_stays_in_the_guest(self) -> None:
        tree = tree_of(link("./bin/x", "/lib/y"), ("./lib/y", SCRIPT))
        chosen = select(tree, ("usr/bin/x",))
        assert {entry.path for entry in chosen} == {"usr/bin/x", "usr/lib/y"}

    def test_what_is_in_no_package_is_named(self) -> None:
        with pytest.raises(UserError, match=r"usr/bin/gone, wanted by guest\.yaml") as caught:
            select({}, ("usr/bin/gone",))
        assert caught.value.hint

    def test_circle_of_links_ends(self) -> None:
        tree = tree_of(link("./bin/a", "b"), link("./bin/b", "a"))
        with pytest.raises(UserError, match="usr/bin/a"):
            select(tree, ("usr/bin/a",))

    def test_program_brings_its_interpreter_and_libraries(self) -> None:
        """The host's own sh: a dynamic program on every Debian."""
        shell = Path("/bin/sh").resolve().read_bytes()
        interpreter, *libraries = loads({}, cpio.file("usr/bin/sh", shell))
        assert libraries == ["libc.so.6"]
        tree = tree_of(
            ("./bin/sh", shell),
            (f"./{interpreter}", b""),
            ("./lib/x86_64-linux-gnu/libc.so.6", b""),
            ("./lib/x86_64-linux-gnu/glibc-hwcaps/power9/libc.so.6", b""),
        )
        chosen = select(tree, ("usr/bin/sh",))
        assert {entry.path for entry in chosen} == {
            "usr/bin/sh",
            interpreter,
            "usr/lib/x86_64-linux-gnu/libc.so.6",
        }

    def test_missing_library_names_its_user(self) -> None:
        shell = Path("/bin/sh").resolve().read_bytes()
        interpreter = loads({}, cpio.file("usr/bin/sh", shell))[0]
        tree = tree_of(("./bin/sh", shell), (f"./{interpreter}", b""))
        with pytest.raises(UserError, match=r"libc\.so\.6, wanted by usr/bin/sh"):
            select(tree, ("usr/bin/sh",))


class FakeApt:
    """Three packages, each an empty file; counts how often it is asked."""

    def __init__(self) -> None:
        self.downloads: list[tuple[str, ...]] = []

    def closure(self, packages: Sequence[str], architecture: str) -> tuple[str, ...]:
        return tuple(f"{name}:{architecture}=1" for name in (*packages, "libperl5.36", "libc6"))

    def download(self, packages: Sequence[str], into: Path) -> tuple[Path, ...]:
        self.downloads.append(tuple(packages))
        paths = tuple(into / f"{package}.deb" for package in packages)
        for path in paths:
            path.touch()
        return paths


class TestPackages:
    def test_fetched_once_without_what_is_skipped(self, tmp_path: Path) -> None:
        apt, contents = FakeApt(), contents_of(packages=("ndctl",), skip=("libperl*",))
        first = provide_packages("s390x", contents, Store(tmp_path), apt=apt)
        assert provide_packages("s390x", contents, Store(tmp_path), apt=apt) == first
        assert apt.downloads == [("ndctl:s390x=1", "libc6:s390x=1")]

    def test_other_architecture_or_list_is_fetched_anew(self, tmp_path: Path) -> None:
        apt, contents = FakeApt(), contents_of(packages=("ndctl",))
        provide_packages("s390x", contents, Store(tmp_path), apt=apt)
        provide_packages("arm64", contents, Store(tmp_path), apt=apt)
        provide_packages("arm64", contents_of(packages=("ndctl", "x")), Store(tmp_path), apt=apt)
        assert len(apt.downloads) == 3

    def test_file_that_is_no_package(self, tmp_path: Path) -> None:
        deb = tmp_path / "broken.deb"
        deb.write_text("not a package")
        with pytest.raises(InfrastructureError, match=r"broken\.deb"):
            read_packages([deb])

    def test_image_of_a_real_package(self, tmp_path: Path) -> None:
        package = tmp_path / "package"
        (package / "DEBIAN").mkdir(parents=True)
        (package / "DEBIAN/control").write_text(
            "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m <m@x>\nDescription: d\n"
        )
        (package / "bin").mkdir()
        (package / "bin/tool").write_bytes(SCRIPT)
        deb = tmp_path / "p.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(package), str(deb)]
        subprocess.run(command, check=True, capture_output=True)
        contents = contents_of(programs=("usr/bin/tool",), busybox=("sh",))
        archive = base_archive(read_packages([deb]), contents)
        for name in (b"usr/bin/tool\0", b"usr/bin/sh\0", b"dev/console\0"):
            assert name in archive


class TestData:
    def test_shipped_contents_are_read_and_skip_no_package_that_is_asked_for(self) -> None:
        contents = load_guest_contents()
        assert contents.programs
        assert not [name for name in contents.packages if contents.skips(name)]

    def test_a_stand_in_takes_the_librarys_place_and_links_stay(self) -> None:
        link = tarfile.TarInfo("usr/lib/x86_64-linux-gnu/lib.so")
        link.type, link.linkname = tarfile.SYMTYPE, "lib.so.3"
        tree = tree_of(("usr/lib/x86_64-linux-gnu/lib.so.3", b"whole"), link)
        wanted = ("usr/lib/x86_64-linux-gnu/lib.so",)
        contents = contents_of(files=wanted, stand_ins=("lib.so", "lib.so.3"))
        archive = base_archive(tree, contents, stand_in=lambda name, _: f"no {name}".encode())
        assert b"no lib.so.3" in archive
        assert b"whole" not in archive
        assert archive.count(b"no lib.so") == 1
        assert b"whole" in base_archive(tree, contents)

    def test_init_and_host_agree_on_the_key(self) -> None:
        """Where they do not, a guest is up, silent, and never reached by ssh."""
        assert f"/{HOST_KEY}" in _INIT.read_text()

    def test_nothing_mutes_the_console(self) -> None:
        assert not [word for word in ("dmesg", "printk", "loglevel") if word in _INIT.read_text()]

    def test_init_and_host_agree_on_the_ports(self) -> None:
        assert all(f'"daxhound.{port}"' in _INIT.read_text() for port in PORTS)

    def test_init_and_host_agree_on_what_a_shell_leaves(self) -> None:
        ended = serial._ENDED.decode().replace("\n", "\\n")
        assert f'"{ended}"' in _INIT.read_text()

    def test_init_and_host_agree_on_the_address(self) -> None:
        assert f'set_address("{rdma._NETDEV}", "{rdma._ADDRESS}"' in _INIT.read_text()

    def test_init_and_host_agree_on_the_ready_line(self) -> None:
        assert f'"{READY.decode()}\\n"' in _INIT.read_text()


class TestRunArchive:
    def test_private_files_are_private(self) -> None:
        archive = run_archive("ssh-ed25519 AAAA me", b"key")
        assert b"ssh-ed25519 AAAA me\n" in archive
        header = archive[archive.index(AUTHORIZED_KEYS.encode()) - 110 :]
        assert int(header[14:22], 16) == 0o100600

    def test_host_key_as_dropbear_reads_it(self) -> None:
        key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        data = dropbear_host_key(key)
        public = key.public_key().public_bytes_raw()
        assert data == b"\0\0\0\x0bssh-ed25519\0\0\0\x40" + bytes(range(32)) + public

    def test_initrd_is_its_parts_in_order(self, tmp_path: Path) -> None:
        base = tmp_path / "base"
        base.write_bytes(cpio.write_archive([cpio.file("a", b"base")]))
        run = cpio.write_archive([cpio.file("b", b"run")])
        initrd = compose_initrd(tmp_path / "initrd", (run, base))
        assert initrd.read_bytes() == run + base.read_bytes()


class TestGupTest:
    def test_newest_place_wins(self, tmp_path: Path) -> None:
        for folder in ("mm", "vm"):
            directory = tmp_path / "tools/testing/selftests" / folder
            directory.mkdir(parents=True)
            (directory / "gup_test.c").touch()
        assert find_gup_test(tmp_path).directory.name == "mm"

    def test_tree_without_it(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"no gup_test\.c"):
            find_gup_test(tmp_path)

    @pytest.mark.parametrize(
        ("makefile", "sources"),
        [
            # As in 7.2, 6.12, and 6.1, where only other tests are linked with helpers.
            ("$(TEST_GEN_FILES): vm_util.c hugepages.c\n", ("vm_util.c", "hugepages.c")),
            (
                "$(TEST_GEN_PROGS): a.c\n$(TEST_GEN_FILES): vm_util.c thp.c\n",
                ("vm_util.c", "thp.c"),
            ),
            ("$(OUTPUT)/khugepaged: vm_util.c\n$(OUTPUT)/hmm-tests: local_config.h\n", ()),
            ("$(OUTPUT)/gup_test: one.c local_config.h\n", ("one.c",)),
        ],
    )
    def test_helpers_it_is_linked_with(self, makefile: str, sources: tuple[str, ...]) -> None:
        assert common_sources(makefile) == sources


def test_builtin_drivers_are_found_by_libkmod(tmp_path: Path) -> None:
    """Without the index, daxctl says that there is no module named device_dax."""
    listing = tmp_path / "modules.builtin"
    listing.write_text("kernel/drivers/dax/device_dax.ko\nkernel/drivers/dax/kmem.ko\n")
    for entry in kernel_modules("6.1.0", listing, tmp_path / "scratch"):
        path = tmp_path / "guest" / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.data)
    ask = ["-d", str(tmp_path / "guest/usr"), "-S", "6.1.0", "--show-depends", "device_dax"]
    found = subprocess.run(["/usr/sbin/modprobe", *ask], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "builtin device_dax"


def test_modules_are_indexed_and_drivers_listed_for_init(tmp_path: Path) -> None:
    """What stands in for hardware is loaded by the test that wants it."""
    listing = tmp_path / "modules.builtin"
    listing.touch()
    for path in ("updates/nfit.ko", "updates/nfit_test.ko", "kernel/drivers/dax/kmem.ko"):
        (tmp_path / "modules" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "modules" / path).touch()
    entries = {e.path: e.data for e in kernel_modules("6.1.0", listing, tmp_path / "scratch")}
    assert entries["etc/modules"] == b"kmem\nnfit\n"
    assert "usr/lib/modules/6.1.0/updates/nfit_test.ko" in entries
    assert "usr/lib/modules/6.1.0/modules.dep.bin" in entries


def test_a_kernel_without_modules_has_init_load_none(tmp_path: Path) -> None:
    listing = tmp_path / "modules.builtin"
    listing.touch()
    paths = {entry.path for entry in kernel_modules("6.1.0", listing, tmp_path / "scratch")}
    assert "etc/modules" not in paths
