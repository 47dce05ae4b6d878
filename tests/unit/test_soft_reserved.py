"""Layouts with soft-reserved memory: where it may lie, and how the kernel is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.command_line import GuestFiles, kernel_arguments, render
from harness.errors import UserError
from harness.records import Layout, SoftReserved
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import load_scenarios
from harness.target import load_targets

TARGETS = load_targets()
GIB = 1 << 30
FILES = GuestFiles(Path("/k/vmlinux"), Path("/k/initrd"), Path("/run/guest"))

GOOD = """\
scenario: sample
summary: two ranges, the first with all that is there
layout:
  ram: 5G
  soft_reserved:
    - {size: 1G}
    - {size: 512M, at: 6G}
  region_idle: true
parameters:
  align: [page, pmd]
steps:
  - create-device: {size: 64M, align: $align}
  - fault: {memory: devdax, device: dax0.1}
"""


def cells(tmp_path: Path, text: str, name: str = "x86_64") -> list[Cell]:
    path = tmp_path / "sample.yaml"
    path.write_text(text)
    (scenario,) = load_scenarios(path)
    return list(expand(scenario, {name: TARGETS[name]}))


def test_ranges_follow_each_other_above_4g(tmp_path: Path) -> None:
    cell, _ = cells(tmp_path, GOOD.replace(", at: 6G", ""))
    assert cell.layout.soft_reserved == (
        SoftReserved(GIB, 4 * GIB),
        SoftReserved(GIB // 2, 5 * GIB),
    )
    assert (cell.layout.ram_bytes, cell.layout.region_idle) == (5 * GIB, True)


@pytest.mark.parametrize("name", [name for name, t in TARGETS.items() if not t.soft_reserved])
def test_other_targets_give_one_cell_without_any(tmp_path: Path, name: str) -> None:
    (cell,) = cells(tmp_path, GOOD, name)
    assert cell.name == f"sample[{name}]"
    assert (cell.layout.soft_reserved, cell.layout.region_idle) == ((), False)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("size: 1G", "size: 1000M", 6, "size: 1000M is not a multiple of 128M"),
        ("at: 6G", "at: 0x180100000", 7, "at: 6145M is not a multiple of 128M"),
        ("at: 6G", "at: 2G", 7, "0x80000000 may hold the kernel or firmware on x86_64"),
        ("at: 6G", "at: 7G", 7, "at: ends at 0x1e0000000, but of 5G of RAM x86_64 has 3G from"),
        ("size: 1G", "size: 8G", 6, "size: ends at 0x300000000, but of 5G of RAM"),
        ("ram: 5G", "ram: 2G", 6, "of 2G of RAM x86_64 has 0 from 0x100000000 on"),
        ("at: 6G", "at: 4G", 7, "at: overlaps range 0, which ends at 0x140000000"),
        ("device: dax0.1", "device: 0.1", 13, "0.1 is not a device such as dax0.1"),
        ("device: dax0.1", "device: dax0.1, region: 1", 13, "and a pmem region as well"),
        ("memory: devdax", "memory: anon", 13, "a device is named, which is memory: devdax"),
        ("region_idle: true", "region_idel: true", 8, "no such field\n  try: 'region_idle'"),
    ],
)
def test_mistakes_name_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        cells(tmp_path, GOOD.replace(old, new, 1))
    assert said in str(caught.value)
    assert caught.value.line == line


def test_the_remedy_for_too_little_ram_is_enough(tmp_path: Path) -> None:
    for size in ("128M", "2G", "8G"):
        text = GOOD.replace("ram: 5G", "ram: 2G").replace("size: 1G", f"size: {size}")
        text = text.replace("    - {size: 512M, at: 6G}\n", "")
        with pytest.raises(UserError) as caught:
            cells(tmp_path, text)
        assert cells(tmp_path, text.replace("ram: 2G", str(caught.value.hint)))


def test_idle_regions_need_a_region(tmp_path: Path) -> None:
    text = GOOD.replace("  soft_reserved:\n    - {size: 1G}\n    - {size: 512M, at: 6G}\n", "")
    with pytest.raises(UserError, match="no soft_reserved memory, whose regions could be idle"):
        cells(tmp_path, text)


def test_the_kernel_command_line(tmp_path: Path) -> None:
    target = TARGETS["x86_64"]
    layout = cells(tmp_path, GOOD)[0].layout
    words = kernel_arguments(target, layout).split()
    assert "memmap=0x40000000%0x100000000-1+0xefffffff" in words
    assert "memmap=0x20000000%0x180000000-1+0xefffffff" in words
    assert words.count("dax_hmem.region_idle=1") == 1
    argv = render(target, layout, FILES, emulator=(10, 0, 2), accelerator="tcg")
    assert " ".join(words) in argv
    plain = kernel_arguments(target, Layout(2 * GIB, 2))
    assert "memmap" not in plain
    assert "dax_hmem" not in plain
