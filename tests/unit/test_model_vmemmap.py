"""Struct pages: who shares them, what they cost, and which layouts can show the old bug."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model import Machine
from harness.model.vmemmap import (
    checks_architecture,
    hash_block_span,
    pre_fix_failure,
    ram_bytes,
    struct_page_count,
    why_not_optimised,
)
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
    symbols = {"TRANSPARENT_HUGEPAGE": "y"}
    return Machine(TARGETS[target], KernelFacts(version, "r", symbols, struct_page), Layout(ram, 2))


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
    ("target", "align", "per_gib"),
    [
        ("x86_64", 2 * MIB, 4 * MIB),
        ("x86_64", GIB, 8 * KIB),
        ("x86_64", 4 * KIB, 16 * MIB),
        ("arm64", 2 * MIB, 16 * MIB),
        ("ppc64-radix", GIB, 128 * KIB),
        ("ppc64-radix", 2 * MIB, MIB),
    ],
)
def test_what_a_gigabyte_costs(target: str, align: int, per_gib: int) -> None:
    guest = machine(target)
    assert ram_bytes(guest, 4 * GIB, 0, align, "mem") == 4 * per_gib
    assert ram_bytes(guest, 4 * GIB, 0, align, "dev") == 0


def test_struct_pages_cover_the_info_block_but_not_the_cut_end() -> None:
    assert struct_page_count(machine("x86_64"), GIB, 256 * MIB) == 768 * MIB // 4096


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
