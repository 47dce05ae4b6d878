"""Dynamic dax regions: whose space is whose, what is refused, and what daxctl leaves behind."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.errors import UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine
from harness.model.dax_region import DaxDevice, DaxRegion
from harness.model.geometry import Span
from harness.model.predict import Model
from harness.model.soft_reserved import dax_regions
from harness.records import Layout, Scalar, SoftReserved
from harness.scenario.dax_steps import CreateDevice, DaxRegions, DestroyDevice, ResizeDevice
from harness.scenario.steps import GupTest, KmemState, PageMetadata, ReconfigureDevice, Step
from harness.target import load_targets

MIB, GIB = 1 << 20, 1 << 30
PMD = 2 * MIB
START = 4 * GIB
TARGETS = load_targets()
IDLE = Layout(5 * GIB, 2, soft_reserved=(SoftReserved(GIB, START),), region_idle=True)


@cache
def machine(layout: Layout = IDLE, kernel: str = "debian:6.1", target: str = "x86_64") -> Machine:
    chosen = TARGETS[target]
    facts = assumed_facts(parse_kernel_spec(kernel), chosen.kernel.fragments)
    return Machine(chosen, facts, layout)


def values(model: Model, step: Step) -> dict[str, Scalar]:
    return {expected.name: expected.value for expected in model.predict(step).expected}


def create(size: int, **fields: int) -> CreateDevice:
    return CreateDevice(size=size * MIB, **fields)


def step(kind: type[Step], name: str, **fields: object) -> Step:
    return kind.model_validate({"device": name, **fields})


def spans(device: DaxDevice) -> list[tuple[int, int]]:
    return [((s.start - START) // MIB, (s.end - START) // MIB) for s in device.ranges]


class Regions(RuleBasedStateMachine):
    """Any order of making, resizing and destroying leaves a region that adds up."""

    def __init__(self) -> None:
        super().__init__()
        self.region = DaxRegion(0, Span(START, START + 64 * PMD), PMD, 0)

    @rule()
    def create(self) -> None:
        self.region.create()

    @precondition(lambda self: self.region.devices)
    @rule(data=st.data())
    def resize(self, data: st.DataObject) -> None:
        device = data.draw(st.sampled_from(sorted(self.region.devices.items())))[1]
        most = (device.size_bytes + self.region.available_bytes) // PMD
        before, wanted = device.data, data.draw(st.integers(0, most)) * PMD
        self.region.resize(device, wanted)
        assert device.size_bytes == wanted
        kept = min(sum(span.size for span in before), wanted)
        assert _first(device.data, kept) == _first(before, kept)

    @precondition(lambda self: any(self.region.devices))
    @rule(data=st.data())
    def destroy(self, data: st.DataObject) -> None:
        device = self.region.devices[
            data.draw(st.sampled_from([id_ for id_ in sorted(self.region.devices) if id_]))
        ]
        self.region.resize(device, 0)
        self.region.delete(device)

    @invariant()
    def nothing_overlaps_and_all_adds_up(self) -> None:
        ranges = self.region.ranges()
        edges = [edge for span in ranges for edge in (span.start, span.end)]
        assert edges == sorted(edges)
        assert all(self.region.span.start <= edge <= self.region.span.end for edge in edges)
        assert all(span.size > 0 for span in ranges)
        free = sum(hole.size for hole in self.region.holes())
        assert free == self.region.available_bytes
        assert free + sum(d.size_bytes for d in self.region.devices.values()) == 64 * PMD

    @invariant()
    def what_is_named_is_there(self) -> None:
        named = {self.region.seed, self.region.youngest} - {None}
        assert named <= set(self.region.devices)


def _first(data: tuple[Span, ...], size: int) -> list[int]:
    """The addresses of so many bytes of a device, by PMDs."""
    blocks = [block for span in data for block in range(span.start, span.end, PMD)]
    return blocks[: size // PMD]


TestRegions = Regions.TestCase


def test_a_device_grows_in_place_only_behind_its_last_range() -> None:
    """Each hole as the kernel takes it: the lowest first, whoever it lies behind."""
    region = DaxRegion(0, Span(START, START + 64 * MIB), PMD, 0)
    first, second, third = (region.create() for _ in range(3))
    for device in (first, second, third):
        region.resize(device, 8 * MIB)
    region.resize(third, 16 * MIB)
    assert spans(third) == [(16, 32)]
    region.resize(first, 0)
    region.resize(second, 24 * MIB)
    assert spans(second) == [(8, 16), (0, 8), (32, 40)]
    region.resize(third, 24 * MIB)
    assert spans(third) == [(16, 32), (40, 48)]
    region.resize(second, 12 * MIB)
    assert spans(second) == [(8, 16), (0, 4)]
    region.resize(second, 14 * MIB)
    assert spans(second) == [(8, 16), (0, 6)]


def test_ids_are_used_again_from_the_lowest() -> None:
    region = DaxRegion(0, Span(START, START + 64 * MIB), PMD, 0)
    devices = [region.create() for _ in range(4)]
    region.delete(devices[1])
    region.delete(devices[2])
    assert [region.create().id, region.create().id, region.create().id] == [1, 2, 4]


def test_daxctl_goes_on_with_the_device_that_it_left() -> None:
    model = Model(machine())
    refused = values(model, create(3))
    assert (refused["errno"], refused["kernel_errno"]) == ("ENXIO", "EINVAL")
    assert (refused["devices"], refused["seed"]) == ("0 1", 1)
    made = values(model, create(64))
    assert (made["device"], made["devices"], made["seed"]) == (1, "0 1 2", None)
    assert values(model, create(64))["device"] == 3


@pytest.mark.parametrize(
    ("wanted", "kernel_errno", "rule_id"),
    [
        ({"size": 129 * MIB}, "EINVAL", "dyn.size-align"),
        ({"size": 4 * GIB}, "ENOSPC", "dyn.no-space"),
        ({"size": 256 * MIB, "align": 4 * MIB}, "EINVAL", "dyn.align"),
        ({"size": 256 * MIB, "align": GIB}, "EINVAL", "dyn.align"),
        ({"size": 256 * MIB, "disable": False}, "EBUSY", "dyn.busy"),
        ({"size": 129 * MIB, "disable": False}, "EINVAL", "dyn.size-align"),
        ({"size": 256 * MIB, "align": 4096, "disable": False}, "EBUSY", "dyn.busy"),
    ],
)
def test_a_refused_resize_leaves_the_device_as_it_was(
    wanted: dict[str, int], kernel_errno: str, rule_id: str
) -> None:
    model = Model(machine())
    model.predict(create(128))
    before = values(model, DaxRegions())
    prediction = model.predict(step(ResizeDevice, "dax0.1", **wanted))
    (found,) = (e for e in prediction.expected if e.name == "kernel_errno")
    assert (found.value, found.rule.id) == (kernel_errno, rule_id)
    assert values(model, DaxRegions()) == before


def test_an_alignment_stays_where_the_size_is_refused() -> None:
    model = Model(machine())
    model.predict(create(128))
    resized = values(model, step(ResizeDevice, "dax0.1", size=129 * MIB, align=4096))
    assert (resized["outcome"], resized["align_bytes"]) == ("refused", 4096)


def test_device_0_is_emptied_and_stays() -> None:
    model = Model(machine())
    model.predict(step(ResizeDevice, "dax0.0", size=64 * MIB))
    gone = values(model, step(DestroyDevice, "dax0.0"))
    assert (gone["outcome"], gone["kernel_errno"]) == ("refused", "EBUSY")
    assert (gone["available_bytes"], gone["devices"]) == (GIB, "0")


def test_a_full_region_makes_no_device_at_all() -> None:
    model = Model(machine())
    assert values(model, CreateDevice())["size_bytes"] == GIB
    refused = values(model, CreateDevice())
    assert (refused["errno"], refused["kernel_errno"]) == ("ENOSPC", "ENOSPC")
    assert refused["devices"] == "0 1"


@pytest.mark.parametrize(
    ("kernel", "driver"), [("debian:6.1", "device_dax"), ("debian:7.2", "kmem")]
)
def test_who_has_a_region_that_is_not_idle(kernel: str, driver: str) -> None:
    guest = machine(replace(IDLE, region_idle=False), kernel)
    seen = values(Model(guest), DaxRegions())
    assert (seen["dax0.0.driver"], seen["dax_region0.available_bytes"]) == (driver, 0)
    model = Model(guest)
    if driver == "kmem":
        with pytest.raises(UserError, match="is RAM at this point"):
            model.predict(step(ResizeDevice, "dax0.0", size=64 * MIB))
        back = values(model, step(ReconfigureDevice, "dax0.0", mode="devdax"))
        assert back["added_bytes"] == 0
    model.predict(step(ResizeDevice, "dax0.0", size=64 * MIB))


def test_the_state_tells_nothing_of_what_daxctl_brought_online() -> None:
    model = Model(machine(replace(IDLE, region_idle=False), "debian:7.3"))
    taken = values(model, step(KmemState, "dax0.0", state="unplugged"))
    assert (taken["added_bytes"], taken["blocks"]) == (0, 0)  # kmem adds blocks, and leaves them
    given = values(model, step(KmemState, "dax0.0", state="online_movable"))
    assert given["added_bytes"] == -int(
        str(values(model, step(ReconfigureDevice, "dax0.0", mode="devdax"))["added_bytes"])
    )
    with pytest.raises(UserError, match=r"dax0\.0 is not RAM at this point"):
        model.predict(step(KmemState, "dax0.0", state="unplugged"))


def test_every_range_comes_and_goes() -> None:
    model = Model(machine(replace(IDLE, ram_bytes=4 * GIB), "debian:7.3"))
    for size in (256, 256):
        model.predict(create(size))
    model.predict(step(ResizeDevice, "dax0.1", size=512 * MIB))
    model.predict(step(ReconfigureDevice, "dax0.1", mode="system-ram"))
    gone = values(model, step(KmemState, "dax0.1", state="unplugged"))
    assert gone["added_bytes"] == -256 * MIB  # all that daxctl brought online
    with pytest.raises(UserError, match="is not devdax"):
        model.predict(step(ReconfigureDevice, "dax0.1", mode="system-ram"))
    back = values(model, step(KmemState, "dax0.1", state="online_movable"))
    assert (back["added_bytes"], back["blocks"]) == (512 * MIB, 2)
    with pytest.raises(UserError, match="what is online stays"):
        model.predict(step(ReconfigureDevice, "dax0.1", mode="devdax"))


def test_daxctl_takes_a_device_for_one_piece() -> None:
    model = Model(machine(replace(IDLE, ram_bytes=4 * GIB)))
    for size in (256, 512):
        model.predict(create(size))
    model.predict(step(ResizeDevice, "dax0.1", size=512 * MIB))
    added = values(model, step(ReconfigureDevice, "dax0.1", mode="system-ram"))
    assert (added["added_bytes"], added["blocks"], added["online_blocks"]) == (256 * MIB, 2, 2)
    back = values(model, step(ReconfigureDevice, "dax0.1", mode="devdax"))
    assert back["added_bytes"] == -256 * MIB


def test_ram_between_the_ranges_of_another_device_is_not_predicted() -> None:
    model = Model(machine(replace(IDLE, ram_bytes=4 * GIB)))
    for size in (256, 256):
        model.predict(create(size))
    model.predict(step(ResizeDevice, "dax0.1", size=512 * MIB))
    model.predict(step(ReconfigureDevice, "dax0.2", mode="system-ram"))
    with pytest.raises(UserError, match=r"takes memory of dax0\.2"):
        model.predict(step(ReconfigureDevice, "dax0.1", mode="system-ram"))
    model.predict(step(ReconfigureDevice, "dax0.2", mode="devdax"))
    assert values(model, step(ReconfigureDevice, "dax0.1", mode="system-ram"))["blocks"] == 2


def test_memory_at_the_end_of_ram_is_on_no_node_without_a_table() -> None:
    parts = (SoftReserved(GIB, START), SoftReserved(GIB, START + 2 * GIB))
    layout = replace(IDLE, soft_reserved=parts)
    assert [r.node for r in dax_regions(machine(layout))] == [0, None]
    more = replace(layout, ram_bytes=6 * GIB)
    assert [r.node for r in dax_regions(machine(more))] == [0, 0]
    nodes = replace(layout, nodes=(GIB, 2 * GIB, 2 * GIB))
    assert [r.node for r in dax_regions(machine(nodes))] == [1, 2]
    model = Model(machine(layout))
    model.predict(CreateDevice(dax_region=1))
    refused = values(model, step(ReconfigureDevice, "dax1.1", mode="system-ram"))
    assert (refused["outcome"], refused["errno"]) == ("refused", "EINVAL")
    back = values(model, step(ReconfigureDevice, "dax1.1", mode="devdax"))
    assert (back["outcome"], back["added_bytes"]) == ("reconfigured", 0)


def test_pages_are_found_across_ranges() -> None:
    model = Model(machine())
    for size in (64, 64, 64):
        model.predict(create(size))
    model.predict(step(ResizeDevice, "dax0.1", size=128 * MIB))
    dump = {"memory": "devdax", "size": 128 * MIB, "pages": (16383, 16384)}
    seen = values(model, step(PageMetadata, "dax0.1", **dump))
    frames = (START // 4096 + 16383, (START + 192 * MIB) // 4096)
    assert (seen["page16383.pfn"], seen["page16384.pfn"]) == frames


@given(size=st.integers(1, 500), align=st.sampled_from([4096, PMD]))
def test_a_device_gives_back_what_it_took(size: int, align: int) -> None:
    model = Model(machine(IDLE, "debian:7.2"))
    made = values(model, create(2 * size, align=align))
    gone = values(model, step(DestroyDevice, "dax0.1"))
    assert made["memmap_counted_pages"] == -int(str(gone["memmap_counted_pages"])) > 0
    assert made["memmap_pages"] == 2 * size * MIB // 4096


def test_a_device_without_a_driver_is_none_to_map() -> None:
    model = Model(machine())
    pin = {"command": "pin-fast", "memory": "devdax"}
    assert values(model, step(GupTest, "dax0.0", **pin)) == {"outcome": "no-device"}
    model.predict(create(256))
    assert values(model, step(GupTest, "dax0.1", **pin))["pinned_pages"] == 16384
    model.predict(step(ReconfigureDevice, "dax0.1", mode="system-ram"))
    with pytest.raises(UserError, match="is RAM at this point"):
        model.predict(step(DestroyDevice, "dax0.1"))


@pytest.mark.parametrize(
    ("asked", "errno"),
    [
        ({"size": 0}, "EBUSY"),
        ({"size": 256 * MIB}, "EBUSY"),
        ({"size": 8 * GIB}, "EBUSY"),
        ({"size": 129 * MIB}, "EINVAL"),
        ({"size": 128 * MIB, "align": 4096}, "EBUSY"),
    ],
)
def test_a_device_that_is_ram_is_not_changed(asked: dict[str, int], errno: str) -> None:
    model = Model(machine())
    model.predict(create(256))
    model.predict(step(ReconfigureDevice, "dax0.1", mode="system-ram"))
    before = values(model, DaxRegions())
    with pytest.raises(UserError, match="is RAM at this point") as caught:
        model.predict(step(ResizeDevice, "dax0.1", **asked))
    assert "disable: false, to be refused" in str(caught.value.hint)
    refused = values(model, step(ResizeDevice, "dax0.1", disable=False, **asked))
    assert (refused["kernel_errno"], refused["errno"]) == (errno, "ENXIO")
    kept = values(model, step(DestroyDevice, "dax0.1", force=False))
    assert (kept["outcome"], kept["errno"]) == ("refused", "ENXIO")
    assert values(model, DaxRegions()) == before


def test_blocks_that_start_off_their_alignment_are_not_predicted() -> None:
    layout = replace(IDLE, ram_bytes=6 * GIB, soft_reserved=(SoftReserved(3 * GIB, START),))
    model = Model(machine(layout))
    model.predict(create(2))
    assert values(model, create(1024, align=GIB))["range0.start"] == START + 2 * MIB
    pin = {"command": "pin-fast", "memory": "devdax", "size": GIB, "touch": False}
    with pytest.raises(UserError, match="in blocks of 1G, which its ranges do not"):
        model.predict(step(GupTest, "dax0.2", **pin))


def test_names_of_what_is_not_there_are_mistakes() -> None:
    model = Model(machine())
    with pytest.raises(UserError, match=r"no dax0\.3 at this point"):
        model.predict(step(DestroyDevice, "dax0.3"))
    with pytest.raises(UserError, match="the layout has 1 range of soft-reserved memory"):
        model.predict(CreateDevice(dax_region=1))


@pytest.mark.parametrize("target", ["arm64", "ppc64-hash", "s390x"])
def test_targets_without_soft_reserved_memory_show_no_region(target: str) -> None:
    model = Model(machine(Layout(2 * GIB, 2), "debian:6.1", target))
    assert values(model, DaxRegions()) == {"dax_regions": 0}
    assert model.predict(create(64)).unsupported
