"""Arithmetic of namespaces, against a table that was transcribed on its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.geometry import btt_arenas, btt_capacity, place_info_block
from harness.scenario.steps import Map
from harness.units import parse_size

START = 4 << 30

# machine, size, align, compat, page, map, data offset, size left
EXAMPLES = [
    ("x86 1G", "1G", "2M", "2M", "4K", "dev", "18M", "1006M"),
    ("x86 1G", "1G", "4K", "2M", "4K", "dev", "18M", "1006M"),
    ("x86 1G", "1G", "2M", "2M", "4K", "mem", "2M", "1022M"),
    ("x86 2G, 1G pages", "2G", "1G", "2M", "4K", "dev", "1G", "1G"),
    ("x86 2G, 1G pages", "2G", "1G", "2M", "4K", "mem", "1G", "1G"),
    ("x86 4G", "4G", "2M", "2M", "4K", "dev", "66M", "4030M"),
    ("x86 4G", "4G", "2M", "2M", "4K", "mem", "2M", "4094M"),
    ("radix 1G", "1G", "2M", "2M", "64K", "dev", "2M", "1022M"),
    ("radix 1G", "1G", "64K", "2M", "64K", "mem", "2M", "1022M"),
    ("radix 2G", "2G", "2M", "2M", "64K", "dev", "4M", "2044M"),
    ("radix 2G", "2G", "2M", "2M", "64K", "mem", "2M", "2046M"),
    ("radix 2G, 1G pages", "2G", "1G", "2M", "64K", "dev", "1G", "1G"),
    ("hash 1G", "1G", "16M", "16M", "64K", "dev", "16M", "1008M"),
    ("hash 1G", "1G", "64K", "16M", "64K", "mem", "16M", "1008M"),
    ("hash 256M", "256M", "16M", "16M", "64K", "dev", "16M", "240M"),
    ("hash 2G", "2G", "16M", "16M", "64K", "mem", "16M", "2032M"),
    ("arm64 16K", "1G", "16K", "2M", "16K", "dev", "6M", "1018M"),
    ("arm64 16K", "1G", "32M", "2M", "16K", "dev", "32M", "992M"),
    ("arm64 16K", "1G", "16K", "2M", "16K", "mem", "2M", "1022M"),
    ("arm64 64K", "1G", "64K", "2M", "64K", "dev", "2M", "1022M"),
    ("arm64 64K", "1G", "512M", "2M", "64K", "dev", "512M", "512M"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda row: f"{row[0]} {row[2]} {row[5]}")
def test_examples(example: tuple[str, str, str, str, str, Map, str, str]) -> None:
    _, size, align, compat, page, map_, offset, left = example
    info = place_info_block(
        start=START,
        raw_bytes=parse_size(size),
        align=parse_size(align),
        compat=parse_size(compat),
        page=parse_size(page),
        map_=map_,
    )
    assert (info.data_offset, info.size_bytes) == (parse_size(offset), parse_size(left))
    assert info.end_trunc == 0


def test_an_end_off_the_alignment_is_cut_off() -> None:
    gib, half = 1 << 30, 1 << 29
    info = place_info_block(
        start=START + half,
        raw_bytes=3 * gib,
        align=gib,
        compat=2 << 20,
        page=4096,
        map_="mem",
    )
    assert (info.data_offset, info.end_trunc, info.size_bytes) == (half, half, 2 * gib)


@pytest.mark.parametrize(
    ("raw", "lba", "capacity"),
    [("1G", 4096, 1071616000), ("256M", 4096, 267096064)],
)
def test_btt_examples(raw: str, lba: int, capacity: int) -> None:
    assert btt_capacity(parse_size(raw), lba) == capacity


@st.composite
def placements(draw: st.DrawFn) -> dict[str, int]:
    """Starts and sizes in the region's unit, pages and alignments as machines have them."""
    page = draw(st.sampled_from([4096, 16384, 65536]))
    return {
        "start": draw(st.integers(64, 1 << 16)) << 24,
        "raw_bytes": draw(st.integers(1, 1 << 12)) << 24,
        "align": draw(st.sampled_from([page, 2 << 20, 16 << 20, 32 << 20, 512 << 20, 1 << 30])),
        "compat": draw(st.sampled_from([2 << 20, 16 << 20])),
        "page": page,
    }


MAPS: st.SearchStrategy[Map] = st.sampled_from(["mem", "dev"])


@given(placements(), MAPS)
def test_data_lies_inside_and_on_its_alignment(placement: dict[str, int], map_: Map) -> None:
    info = place_info_block(**placement, map_=map_)
    start, raw = placement["start"], placement["raw_bytes"]
    aligned = max(placement["align"], placement["compat"])
    assert (start + info.data_offset) % aligned == 0
    assert (start + raw - info.end_trunc) % aligned == 0
    assert info.size_bytes < raw
    assert info.data_offset + info.size_bytes + info.end_trunc == raw
    assert info.data_offset >= 8192
    assert 0 <= info.end_trunc < aligned


@given(placements())
def test_struct_pages_of_the_data_fit_before_it(placement: dict[str, int]) -> None:
    info = place_info_block(**placement, map_="dev")
    assert info.data_offset - 8192 >= info.size_bytes // placement["page"] * 64


@given(placements())
def test_struct_pages_in_ram_never_leave_less(placement: dict[str, int]) -> None:
    mem, dev = (place_info_block(**placement, map_=m) for m in ("mem", "dev"))
    assert mem.size_bytes >= dev.size_bytes
    assert mem.end_trunc == dev.end_trunc
    gap = dev.data_offset - mem.data_offset
    assert gap % mem.alignment == 0
    assert gap < dev.page_map_bytes + mem.alignment


@given(placements(), MAPS, st.integers(1, 64))
def test_a_larger_namespace_never_offers_less(
    placement: dict[str, int], map_: Map, units: int
) -> None:
    """More than one alignment larger; below that, struct pages may take what was gained."""
    small = place_info_block(**placement, map_=map_)
    step = max(placement["align"], placement["compat"]) * 2
    larger = {**placement, "raw_bytes": placement["raw_bytes"] + units * step}
    assert place_info_block(**larger, map_=map_).size_bytes >= small.size_bytes


LBAS = st.sampled_from([512, 520, 528, 4096, 4104, 4160, 4224])
RAW = st.integers(16 << 20, 3 << 40)


@given(RAW, LBAS)
def test_btt_blocks_fit_into_their_arenas(raw: int, lba: int) -> None:
    blocks = btt_capacity(raw, lba) // (4096 if lba >= 4096 else 512)
    stored = -(-lba // 64) * 64
    assert 0 < blocks * lba < raw
    assert blocks * stored + blocks * 4 + 256 * stored < sum(btt_arenas(raw))


@given(RAW, st.integers(0, 1 << 40), LBAS)
def test_btt_capacity_grows_with_the_device(raw: int, more: int, lba: int) -> None:
    assert btt_capacity(raw + more, lba) >= btt_capacity(raw, lba)


@given(st.integers(16 << 20, 512 << 30), LBAS)
def test_btt_wastes_less_than_two_blocks_an_arena(raw: int, lba: int) -> None:
    """The capacity leads back to the device's size: what is not used is bounded."""
    block = -(-lba // 64) * 64
    blocks = btt_capacity(raw, lba) // (4096 if lba >= 4096 else 512)
    metadata = 2 * 4096 + 16384 + 4096 + 4 * (blocks + 256) + 4096
    assert raw - (blocks + 256) * block - metadata < 2 * block


def test_a_rest_below_16m_makes_no_arena() -> None:
    half_tib = 512 << 30
    assert btt_arenas(half_tib + (15 << 20)) == (half_tib,)
    assert btt_arenas(half_tib + (16 << 20)) == (half_tib, 16 << 20)
