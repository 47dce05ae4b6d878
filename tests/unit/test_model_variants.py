"""Other page sizes: what follows from them, against what the kernel's sources say."""

from __future__ import annotations

import pytest

from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine
from harness.model.cost import cost_of
from harness.model.namespace import place_namespace
from harness.model.state import Namespace
from harness.model.vmemmap import hash_block_span
from harness.records import Layout, PmemDevice
from harness.scenario.steps import CreateNamespace
from harness.target import load_targets

TARGETS = load_targets()
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def machine(target: str, kernel: str = "debian:6.1", *config: str, at: int = 4 * GIB) -> Machine:
    fragments = (*TARGETS[target].kernel.fragments, *config)
    facts = assumed_facts(parse_kernel_spec(kernel), fragments)
    devices = (PmemDevice(2 * GIB, at, 128 << 10, "u"),)
    return Machine(TARGETS[target], facts, Layout(2 * GIB, 2, devices))


def devdax(machine: Machine, align: int, map_: str = "mem") -> Namespace:
    step = CreateNamespace.model_validate({"mode": "devdax", "map": map_, "align": align})
    found = place_namespace(machine, machine.regions[0], 0, step)
    assert isinstance(found, Namespace)
    return found


@pytest.mark.parametrize(
    ("target", "alignments", "hugetlb"),
    [
        ("arm64-16k", (16 * KIB, 32 * MIB), 32 * MIB),
        ("arm64-64k", (64 * KIB, 512 * MIB), 512 * MIB),
        ("ppc64-radix-4k", (4 * KIB, 2 * MIB), 2 * MIB),
        ("ppc64-hash-4k", (4 * KIB,), 16 * MIB),
    ],
)
def test_what_can_be_mapped(target: str, alignments: tuple[int, ...], hugetlb: int) -> None:
    """No PMD of hash with 4K pages is a page of its own; hugetlb has 16M ones all the same."""
    guest = machine(target)
    assert guest.supported_alignments == alignments
    assert guest.default_huge_page == hugetlb


@pytest.mark.parametrize(
    ("target", "align", "size"),
    [
        ("arm64-16k", 32 * MIB, 2016 * MIB),
        ("arm64-64k", 512 * MIB, 1536 * MIB),
        ("arm64-64k", 64 * KIB, 2046 * MIB),
        ("ppc64-radix-4k", 2 * MIB, 2046 * MIB),
        ("ppc64-hash-4k", 4 * KIB, 2032 * MIB),
    ],
)
def test_what_alignment_leaves_of_a_device(target: str, align: int, size: int) -> None:
    assert devdax(machine(target), align).size_bytes == size


def test_hash_entries_stand_for_less_memory_with_smaller_pages() -> None:
    assert hash_block_span(machine("ppc64-hash")) == 16 * GIB
    assert hash_block_span(machine("ppc64-hash-4k")) == GIB
    small = machine("ppc64-hash-4k")
    assert cost_of(small, devdax(small, 4 * KIB), ()).taken.ram_bytes == 32 * MIB
    large = machine("ppc64-hash")
    assert cost_of(large, devdax(large, 64 * KIB), ()).taken.ram_bytes == 0


@pytest.mark.parametrize(("kernel", "taken"), [("debian:6.1", 32 * MIB), ("debian:6.12", 8 * MIB)])
def test_radix_shares_struct_pages_of_2m_with_pages_of_4k(kernel: str, taken: int) -> None:
    guest = machine("ppc64-radix-4k", kernel)
    assert cost_of(guest, devdax(guest, 2 * MIB), ()).taken.ram_bytes == taken


@pytest.mark.parametrize("at", [18 * GIB, 20 * GIB])
def test_56_bytes_each_end_where_no_power_of_two_does(at: int) -> None:
    """16M hold 299593 struct pages of 56 bytes and a part of one: 18.29 GiB in pages of 64K."""
    guest = machine("ppc64-hash", "debian:6.1", "no-memcg", at=at)
    (block,) = cost_of(guest, devdax(guest, 64 * KIB), ()).blocks
    assert block.covered.start < 16 * MIB * 64 * KIB // 56 < block.covered.end
    assert block.ram_bytes == 16 * MIB


@pytest.mark.parametrize(("config", "taken"), [((), 0), (("no-memcg",), 16 * MIB)])
def test_the_device_keeps_no_block_that_no_struct_page_begins(
    config: tuple[str, ...], taken: int
) -> None:
    """altmap_cross_boundary() asks for the page at the block's first byte: a device of 64G."""
    fragments = (*TARGETS["ppc64-hash"].kernel.fragments, *config)
    facts = assumed_facts(parse_kernel_spec("debian:6.1"), fragments)
    devices = (PmemDevice(64 * GIB, 32 * GIB, 128 << 10, "u"),)
    guest = Machine(TARGETS["ppc64-hash"], facts, Layout(2 * GIB, 2, devices))
    blocks = cost_of(guest, devdax(guest, 16 * MIB, "dev"), ()).blocks
    assert all(block.ram_bytes == 16 * MIB for block in blocks)
    assert bool(blocks) is bool(taken)
