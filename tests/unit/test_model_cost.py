"""What struct pages cost, by relations that hold whatever the formulas are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine
from harness.model.cost import SLACK_PAGES, TRANSIENT_BYTES, Cost, cost_of
from harness.model.geometry import InfoBlock, Span, place_info_block
from harness.model.memmap import counted_pages, expect_initialised
from harness.model.predict import Model
from harness.model.state import Namespace
from harness.records import Layout, PmemDevice
from harness.scenario.steps import CreateNamespace, DestroyNamespaces, Map, Mode
from harness.target import load_targets

TARGETS = {name: target for name, target in load_targets().items() if target.pmem}
KERNELS = ("debian:6.1", "debian:6.12", "debian:7.2")
MIB, GIB = 1 << 20, 1 << 30
UNIT = 16 * MIB
MAPS: tuple[Map, ...] = ("mem", "dev")
MODES: tuple[Mode, ...] = ("devdax", "fsdax")


settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@cache
def guest(target: str, kernel: str, *sizes: int) -> Machine:
    facts = assumed_facts(parse_kernel_spec(kernel), TARGETS[target].kernel.fragments)
    devices, start = [], 4 * GIB
    for index, size in enumerate(sizes):
        devices.append(PmemDevice(size, start, 128 << 10, f"uuid{index}"))
        start += size
    return Machine(TARGETS[target], facts, Layout(2 * GIB, 2, tuple(devices)))


@dataclass(frozen=True)
class Drawn:
    """A namespace that some guest could have, and its guest."""

    machine: Machine
    namespace: Namespace

    @property
    def cost(self) -> Cost:
        return cost_of(self.machine, self.namespace, ())

    @property
    def span(self) -> Span:
        span = self.namespace.mapped
        assert span is not None
        return span


@st.composite
def namespaces(draw: st.DrawFn, map_: Map | None = None, mode: Mode | None = None) -> Drawn:
    machine = guest(draw(st.sampled_from(sorted(TARGETS))), draw(st.sampled_from(KERNELS)))
    align = draw(st.sampled_from(machine.supported_alignments))
    start = draw(st.integers(256, 4096)) * UNIT
    units = max(1, align // UNIT)
    raw = draw(st.integers(1, 512)) * units * UNIT
    where: Map = map_ if map_ else draw(st.sampled_from(MAPS))
    info = place_info_block(
        start=start,
        raw_bytes=raw,
        align=align,
        compat=machine.memremap_compat_align,
        page=machine.page,
        map_=where,
    )
    if info.size_bytes <= 0:
        return draw(namespaces(map_, mode))
    kind: Mode = mode if mode else draw(st.sampled_from(MODES))
    return Drawn(machine, Namespace(kind, where, start, raw, info.size_bytes, align, info))


def initialised(drawn: Drawn) -> int:
    value = expect_initialised(drawn.machine, drawn.span, drawn.cost.altmap).value
    assert isinstance(value, int)
    return value


def linear_tables(drawn: Drawn) -> int:
    """Room for page tables of the memory itself, where single pages are mapped."""
    machine = drawn.machine
    whole = (drawn.span.size // machine.pmd + 2) * machine.page
    return whole if machine.linear_map_of_pages else 0


@given(namespaces(map_="dev"))
def test_on_the_device_exactly_what_can_be_used_is_initialised(drawn: Drawn) -> None:
    assert initialised(drawn) * drawn.machine.page == drawn.namespace.size_bytes


@given(namespaces(map_="mem"))
def test_in_ram_the_info_block_is_initialised_as_well(drawn: Drawn) -> None:
    info = drawn.namespace.info
    assert info is not None
    used = drawn.namespace.size_bytes + info.data_offset
    assert initialised(drawn) * drawn.machine.page == used


@given(namespaces(map_="dev"))
def test_the_device_has_room_for_every_struct_page_in_use(drawn: Drawn) -> None:
    """Info block included: with 64K pages that takes a page, and may be one too many."""
    altmap = drawn.cost.altmap
    assert altmap is not None
    room = (altmap.reserve + altmap.free) * drawn.machine.page
    assert room >= initialised(drawn) * 64
    assert altmap.allocated <= altmap.free
    assert altmap.first_data_page * drawn.machine.page == drawn.span.end - (
        drawn.namespace.size_bytes
    )


@given(namespaces(map_="mem"))
def test_ram_is_never_more_than_struct_pages_and_a_block_at_each_edge(drawn: Drawn) -> None:
    machine = drawn.machine
    struct_pages = drawn.span.size // machine.page * machine.kernel.struct_page_bytes
    edges = 2 * max(machine.vmemmap_page, machine.page)
    assert drawn.cost.taken.ram_bytes <= struct_pages + edges + linear_tables(drawn)


@given(namespaces(map_="mem", mode="devdax"))
def test_sharing_never_costs_more(drawn: Drawn) -> None:
    plain = replace(drawn, namespace=replace(drawn.namespace, mode="fsdax"))
    assert drawn.cost.taken.ram_bytes <= plain.cost.taken.ram_bytes + 2 * drawn.machine.page
    assert drawn.cost.counted_pages <= plain.cost.counted_pages


@given(namespaces(map_="mem"), st.integers(1, 64))
def test_more_memory_never_costs_less(drawn: Drawn, units: int) -> None:
    compound = drawn.namespace.compound or drawn.machine.page
    step = max(compound, UNIT) * units
    larger = Span(drawn.span.start, drawn.span.end + step)
    before = counted_pages(drawn.machine, drawn.span, compound, None)[0]
    assert counted_pages(drawn.machine, larger, compound, None)[0] >= before


@given(namespaces(map_="dev"))
def test_the_device_holds_struct_pages_but_for_edges(drawn: Drawn) -> None:
    if drawn.cost.taken.exhausted:
        assert drawn.machine.mmu == "arm64"
        return
    machine = drawn.machine
    partial = 2 * machine.section // machine.page * machine.kernel.struct_page_bytes
    blocks = 2 * machine.vmemmap_page + 2 * machine.page
    assert drawn.cost.taken.ram_bytes <= max(partial, blocks) + linear_tables(drawn)


SEQUENCES = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(("create", "create", "create", "destroy")),
        st.sampled_from(("devdax", "fsdax", "raw", "sector")),
        st.sampled_from(("mem", "dev")),
        st.integers(1, 40),
    ),
    max_size=12,
)


@given(st.sampled_from(sorted(TARGETS)), st.sampled_from(KERNELS), SEQUENCES)
def test_whatever_was_made_destroying_all_gives_all_back(
    target: str, kernel: str, sequence: list[tuple[int, str, Mode, Map, int]]
) -> None:
    machine = guest(target, kernel, 3 * GIB, 40 * GIB)
    model = Model(machine)
    taken = counted = 0
    overhead = [0, 0]

    def run(step: CreateNamespace | DestroyNamespaces) -> None:
        nonlocal taken, counted
        expected = {(e.name, e.relation): e.value for e in model.predict(step).expected}
        low, high = expected.get(("ram_bytes", ">=")), expected.get(("ram_bytes", "<="))
        if low is not None and high is not None:
            slack = SLACK_PAGES * machine.page
            taken += int(low) + slack
            if isinstance(step, DestroyNamespaces):
                taken += overhead[step.region]
                overhead[step.region] = 0
            elif step.mode in ("devdax", "fsdax"):
                overhead[step.region] += int(high) - int(low) - 2 * slack - TRANSIENT_BYTES
        counted += int(expected.get(("memmap_counted_pages", "==")) or 0)

    for region, verb, mode, map_, units in sequence:
        if verb == "destroy":
            run(DestroyNamespaces(region=region))
        else:
            where = map_ if mode in ("devdax", "fsdax") else None
            run(CreateNamespace(region=region, mode=mode, map=where, size=units * UNIT))
    for region in range(2):
        run(DestroyNamespaces(region=region))
    assert (taken, counted) == (0, 0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_hash_takes_a_block_once_for_neighbours(kernel: str) -> None:
    machine = guest("ppc64-hash", kernel)
    first = Span(32 * GIB, 33 * GIB)
    namespace = Namespace("fsdax", "mem", 34 * GIB, GIB, GIB, 65536, _info(machine, 34 * GIB, GIB))
    assert cost_of(machine, namespace, ()).taken.ram_bytes == 16 * MIB
    assert cost_of(machine, namespace, (first,)).taken.ram_bytes == 0


@pytest.mark.parametrize(
    ("target", "kernel", "tables"),
    [
        ("arm64", "debian:7.2", 2 * MIB),
        ("arm64-64k", "debian:7.2", 2 * 64 << 10),  # a PMD is 512M there
        ("arm64", "debian:6.12", 0),  # RODATA_FULL_DEFAULT_ENABLED is off
        ("x86_64", "debian:7.2", 0),
    ],
)
def test_page_tables_of_a_linear_map_of_pages_are_taken_and_given_back(
    target: str, kernel: str, tables: int
) -> None:
    machine = guest(target, kernel, GIB)
    model, slack = Model(machine), SLACK_PAGES * machine.page
    made = model.predict(CreateNamespace(mode="fsdax", map="dev"))
    gone = model.predict(DestroyNamespaces(region=0))
    for prediction, least in ((made, tables), (gone, -tables)):
        low = next(e.value for e in prediction.expected if e.name == "ram_bytes")
        assert isinstance(low, int)
        assert least - 16 * machine.page <= low + slack <= least


def _info(machine: Machine, start: int, size: int) -> InfoBlock:
    return place_info_block(
        start=start,
        raw_bytes=size,
        align=machine.page,
        compat=machine.memremap_compat_align,
        page=machine.page,
        map_="mem",
    )


def test_struct_pages_of_all_namespaces_must_fit_together() -> None:
    """Of 100G they are 1600M, and 2G of RAM has no room for them twice."""
    model = Model(guest("x86_64", "debian:7.3", 100 * GIB, 100 * GIB))
    first, second = (CreateNamespace(mode="fsdax", map="mem", region=i) for i in (0, 1))
    assert model.predict(first).unsupported is None
    lacking = model.predict(second).unsupported
    assert lacking is not None
    assert "0x64000000 bytes of RAM beside 0x64000000 of others, the guest has 2G" in lacking
    model.predict(DestroyNamespaces(region=0))
    assert model.predict(second).unsupported is None
