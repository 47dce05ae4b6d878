"""Every target's command line: an argument list, with the facts of the layout in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.command_line import GuestFiles, backing_file_bytes, render, render_interactive
from harness.records import Layout, PmemDevice
from harness.target import load_targets

TARGETS = load_targets()
DEVICE = PmemDevice(2 << 30, 16 << 30, 128 << 10, "75a3cdd7-6a2f-4791-8d15-fe0a920e8e9e")
FILES = GuestFiles(Path("/k/vmlinux"), Path("/k/initrd"), Path("/run/a,b c"))


def arguments(name: str, *, emulator: tuple[int, ...] = (10, 0, 2)) -> tuple[str, ...]:
    target = TARGETS[name]
    layout = Layout(2 << 30, 2, (DEVICE,) if target.pmem else ())
    return render(target, layout, FILES, emulator=emulator, accelerator="tcg")


@pytest.fixture(autouse=True)
def _firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering must not depend on which firmware this host has installed."""
    monkeypatch.setattr("harness.command_line.firmware_code", lambda _target: Path("/fw"))


@pytest.mark.parametrize("name", TARGETS)
def test_sockets_and_freeze(name: str) -> None:
    argv = arguments(name)
    assert argv[0] == TARGETS[name].qemu.binary
    assert "-S" in argv
    assert sum("server=on,wait=off" in word for word in argv) == 5
    assert "user,id=net,restrict=on" in argv


def test_a_port_leads_to_ssh_only_where_it_is_asked_for() -> None:
    argv = render(
        TARGETS["s390x"],
        Layout(2 << 30, 2),
        FILES,
        emulator=(10, 0, 2),
        accelerator="tcg",
        ssh=True,
    )
    assert "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22" in argv


@pytest.mark.parametrize("name", TARGETS)
def test_a_comma_in_a_path_is_doubled_and_a_space_is_kept(name: str) -> None:
    assert any("path=/run/a,,b c/console.sock" in word for word in arguments(name))


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.pmem])
def test_nvdimm(name: str) -> None:
    argv = arguments(name)
    (device,) = (word for word in argv if word.startswith("nvdimm,"))
    assert "addr=0x400000000" in device
    assert "label-size=131072" in device
    (memory,) = (word for word in argv if "slots=" in word)
    assert memory == "2048M,slots=1,maxmem=20480M"
    assert any(f"size={backing_file_bytes(DEVICE)}" in word for word in argv)


def test_no_device_of_x86_has_an_msix_table() -> None:
    devices = [word for word in arguments("x86_64") if word.startswith("virtio-")]
    assert len(devices) == 3
    assert all(",vectors=0" in word for word in devices)


def test_a_firmware_of_our_own_takes_the_place_of_the_flash() -> None:
    layout = Layout(2 << 30, 2)
    own = replace(FILES, firmware=Path("/fw-own"))
    argv, usual = (
        render(TARGETS["arm64"], layout, files, emulator=(10, 0, 2), accelerator="tcg")
        for files in (own, FILES)
    )
    assert argv[argv.index("-bios") + 1] == "/fw-own"
    assert not any("pflash" in word for word in argv)
    assert sum("pflash" in word for word in usual) == 2
    assert "-bios" not in usual


def test_s390x_has_no_pmem() -> None:
    assert not any("nvdimm" in word or "slots" in word for word in arguments("s390x"))


def test_hash_and_radix_differ_by_the_mmu_alone() -> None:
    hash_words, radix_words = set(arguments("ppc64-hash")), set(arguments("ppc64-radix"))
    (machine,) = (word for word in hash_words - radix_words if word.startswith("pseries"))
    assert "cap-hpt-max-page-size=16m" in machine
    (append,) = (word for word in hash_words - radix_words if word.startswith("console="))
    assert "disable_radix" in append.split()
    assert len(hash_words - radix_words) == 2


def test_an_old_qemu_gets_no_newer_option() -> None:
    assert any("x-vof=on" in word for word in arguments("ppc64-hash"))
    assert not any("x-vof" in word for word in arguments("ppc64-hash", emulator=(7, 2, 22)))


def test_a_person_gets_one_terminal_and_no_freeze() -> None:
    target = TARGETS["ppc64-radix"]
    argv = render_interactive(
        target, Layout(2 << 30, 2), FILES, emulator=(10, 0, 2), accelerator="tcg"
    )
    assert "-S" not in argv
    assert "stdio,id=console,mux=on,signal=off" in argv
    assert not any("server=on" in word for word in argv)


def test_memory_nodes() -> None:
    layout = Layout(2 << 30, 2, (replace(DEVICE, node=1),), nodes=(1 << 30, 1 << 30))
    for name in ("x86_64", "arm64", "ppc64-radix"):
        argv = render(TARGETS[name], layout, FILES, emulator=(10, 0, 2), accelerator="tcg")
        nodes = [word for word in argv if word.startswith("node,")]
        assert nodes == ["node,nodeid=0,memdev=ram0", "node,nodeid=1,memdev=ram1"]
        assert f"memory-backend-ram,id=ram1,size={1 << 30}" in argv
        assert any(word.startswith("nvdimm,") and word.endswith(",node=1") for word in argv)
    assert not any("node=" in word or "-numa" in word for word in arguments("x86_64"))


def test_a_memory_node_without_ram() -> None:
    layout = Layout(2 << 30, 2, (replace(DEVICE, node=1),), nodes=(2 << 30, 0))
    argv = render(TARGETS["x86_64"], layout, FILES, emulator=(10, 0, 2), accelerator="tcg")
    assert [word for word in argv if word.startswith("node,")] == [
        "node,nodeid=0,memdev=ram0",
        "node,nodeid=1",
    ]
    assert not any(word.startswith("memory-backend-ram,id=ram1") for word in argv)
