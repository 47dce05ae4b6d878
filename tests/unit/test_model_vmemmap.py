"""Struct pages: who shares them, what they cost, and which layouts can show the old bug."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model import Machine
from harness.model.altmap import Altmap
from harness.model.geometry import Span, place_info_block
from harness.model.vmemmap import (
    checks_architecture,
    hash_block_span,
    pre_fix_failure,
    why_not_optimised,
)
from harness.model.vmemmap_ram import Taken, ram_taken
from harness.records import KernelFacts, Layout
from harness.scenario.steps import Map
from harness.target import load_targets

TARGETS = load_targets()
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def machine(
    target: str,
    version: tuple[int, int, int] = (7, 2, 13),
    struct_page: int = 64,
    ram: int = 2 * GIB,
) -> Machine:
    symbols = {"TRANSPARENT_HUGEPAGE": "y"} | _asked_for(target, version)
    return Machine(TARGETS[target], KernelFacts(version, "r", symbols, struct_page), Layout(ram, 2))


def _asked_for(target: str, version: tuple[int, int, int]) -> dict[str, str]:
    """The symbol that the architecture's Kconfig selects, by its name of the time."""
    if version >= (6, 6, 0) and target in ("x86_64", "ppc64-hash", "ppc64-radix"):
        return {"ARCH_WANT_OPTIMIZE_DAX_VMEMMAP": "y"}
    if target == "x86_64" and version < (6, 4, 0):
        return {"ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP": "y"}
    return {}


@pytest.mark.parametrize(
    ("target", "version", "align", "shared"),
    [
        ("x86_64", (6, 1, 192), 2 * MIB, True),
        ("x86_64", (7, 2, 13), GIB, True),
        ("x86_64", (7, 2, 13), 4 * KIB, False),
        ("x86_64", (5, 15, 0), 2 * MIB, False),
        ("arm64", (7, 2, 13), 2 * MIB, False),
        ("ppc64-hash", (7, 2, 13), 16 * MIB, False),
        ("ppc64-hash", (6, 1, 192), 16 * MIB, False),
        ("ppc64-hash", (6, 1, 183), 16 * MIB, True),
        ("ppc64-radix", (6, 1, 192), GIB, False),
        ("ppc64-radix", (7, 2, 13), 2 * MIB, False),
        ("ppc64-radix", (7, 2, 13), 128 * MIB, False),
        ("ppc64-radix", (7, 2, 13), GIB, True),
    ],
)
def test_who_shares_struct_pages(
    target: str, version: tuple[int, int, int], align: int, shared: bool
) -> None:
    guest = machine(target, version)
    assert (why_not_optimised(guest, align, "mem") is None) == shared
    assert why_not_optimised(guest, align, "dev") is not None


def test_struct_pages_of_56_bytes_are_never_shared() -> None:
    reason = why_not_optimised(machine("x86_64", struct_page=56), 2 * MIB, "mem")
    assert "56 bytes" in str(reason)


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ((5, 18, 0), True),
        ((5, 19, 0), False),
        ((6, 1, 183), False),
        ((6, 1, 184), True),
        ((6, 2, 15), False),
        ((6, 3, 2), True),
        ((6, 4, 0), True),
        ((7, 2, 13), True),
    ],
)
def test_the_fix_by_version(version: tuple[int, int, int], fixed: bool) -> None:
    assert checks_architecture(machine("ppc64-hash", version)) is fixed


@pytest.mark.parametrize("seen", [True, False])
def test_a_probe_of_the_source_wins(seen: bool) -> None:
    guest = machine("ppc64-hash", (6, 1, 184 if not seen else 183))
    kernel = replace(guest.kernel, probes={"vmemmap_optimize_checks_radix": seen})
    assert checks_architecture(replace(guest, kernel=kernel)) is seen


@pytest.mark.parametrize(
    ("target", "align", "taken"),
    [
        ("x86_64", 2 * MIB, 16 * MIB),
        ("x86_64", GIB, 32 * KIB),
        ("x86_64", 4 * KIB, 64 * MIB),
        ("arm64", 2 * MIB, 64 * MIB),
        ("ppc64-radix", GIB, 512 * KIB),
        ("ppc64-radix", 2 * MIB, 4 * MIB),
        ("ppc64-hash", 16 * MIB, 16 * MIB),
    ],
)
def test_what_four_gigabytes_cost(target: str, align: int, taken: int) -> None:
    span = Span(16 * GIB, 20 * GIB)
    assert ram_taken(machine(target), span, align, None, ()).ram_bytes == taken


def test_hash_takes_nothing_where_a_block_is_there() -> None:
    guest, neighbour = machine("ppc64-hash"), Span(24 * GIB, 25 * GIB)
    below, above = Span(4 * GIB, 8 * GIB), Span(16 * GIB, 20 * GIB)
    assert ram_taken(guest, below, 16 * MIB, None, ()).ram_bytes == 0
    assert ram_taken(guest, above, 16 * MIB, None, (neighbour,)).ram_bytes == 0


@pytest.mark.parametrize(
    ("version", "start", "taken"),
    [
        ((6, 1, 192), 17, 2 * 2 * MIB),
        ((6, 12, 117), 17, 16 * 64 * KIB + 2 * MIB),
        ((7, 2, 13), 17, 2 * 2 * MIB),
        ((6, 12, 117), 16, 2 * MIB),
    ],
)
def test_radix_blocks_by_version(version: tuple[int, int, int], start: int, taken: int) -> None:
    """A namespace of 2G that starts within a block of 2G touches two; 6.12 saves one."""
    span = Span(start * GIB, (start + 2) * GIB)
    assert ram_taken(machine("ppc64-radix", version), span, 2 * MIB, None, ()).ram_bytes == taken


def test_struct_pages_on_the_device_take_no_ram() -> None:
    for target in ("x86_64", "arm64", "ppc64-radix"):
        assert _on_device(target, 4 * GIB).ram_bytes == 0


def test_x86_takes_a_part_of_a_section_from_ram() -> None:
    assert _on_device("x86_64", 208 * MIB).ram_bytes == 80 * MIB // 4096 * 64


def test_arm64_runs_out_of_altmap_for_a_part_of_a_section() -> None:
    """Seen in guests: 208M aligned to 2M is not made, and memunmap_pages warns."""
    assert _on_device("arm64", 208 * MIB).exhausted
    assert not _on_device("arm64", 256 * MIB).exhausted


def _on_device(target: str, size: int) -> Taken:
    guest = machine(target)
    span = Span(6 * GIB, 6 * GIB + size)
    info = place_info_block(
        start=span.start,
        raw_bytes=size,
        align=guest.pmd,
        compat=guest.memremap_compat_align,
        page=guest.page,
        map_="dev",
    )
    return ram_taken(guest, span, guest.pmd, Altmap.of(span, info, guest.page), ())


@pytest.mark.parametrize(
    ("start", "align", "map_", "seen"),
    [
        (2 * GIB, 16 * MIB, "mem", False),
        (16 * GIB, 16 * MIB, "mem", True),
        (15 * GIB, 16 * MIB, "mem", True),
        (16 * GIB, 64 * KIB, "mem", False),
        (16 * GIB, 16 * MIB, "dev", False),
    ],
)
def test_hash_crashes_above_the_last_bolted_block(
    start: int, align: int, map_: Map, seen: bool
) -> None:
    """Guests passed with the device at 2 GiB and oopsed with it at 16 GiB."""
    guest = machine("ppc64-hash", (6, 1, 183))
    found = pre_fix_failure(guest, start=start, length=2 * GIB, align=align, map_=map_)
    assert (found is not None) is seen


def test_one_bolted_entry_maps_16g_or_64m() -> None:
    assert hash_block_span(machine("ppc64-hash")) == 16 * GIB
    assert hash_block_span(machine("ppc64-hash", ram=512 * MIB)) == 64 * MIB


@pytest.mark.parametrize(
    ("target", "align", "seen"),
    [
        ("ppc64-radix", 2 * MIB, True),
        ("ppc64-radix", 128 * MIB, False),
        ("ppc64-radix", GIB, False),
        ("x86_64", 2 * MIB, False),
        ("arm64", 2 * MIB, False),
    ],
)
def test_radix_runs_off_small_compounds(target: str, align: int, seen: bool) -> None:
    guest = machine(target, (6, 1, 183))
    found = pre_fix_failure(guest, start=4 * GIB, length=2 * GIB, align=align, map_="mem")
    assert (found is not None) is seen
