"""Device DAX as RAM: what is added, what is cut off, and in which order it can be asked."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfrastructureError, UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine
from harness.model.identity import memory_block
from harness.model.kmem import online_spans
from harness.model.namespace import place_namespace
from harness.model.predict import Model
from harness.model.state import Namespace
from harness.observe.daxctl import parse_device
from harness.records import Layout, PmemDevice, Scalar
from harness.scenario.steps import (
    CreateNamespace,
    DestroyNamespaces,
    KmemState,
    MemoryModel,
    ReconfigureDevice,
    Step,
)
from harness.target import load_targets

MIB, GIB = 1 << 20, 1 << 30
TARGETS = load_targets()
AS_RAM, AS_DEVICE = ReconfigureDevice(mode="system-ram"), ReconfigureDevice(mode="devdax")


@cache
def machine(target: str, kernel: str = "debian:6.1") -> Machine:
    facts = assumed_facts(parse_kernel_spec(kernel), TARGETS[target].kernel.fragments)
    device = PmemDevice(2 * GIB, 5 * GIB, 128 << 10, "0a6ab1cc-4d51-4a13-8d3b-0f8b2f2f1d51")
    return Machine(TARGETS[target], facts, Layout(2 * GIB, 2, (device,)))


def devdax(size: int) -> CreateNamespace:
    return CreateNamespace(mode="devdax", map="mem", align=2 * MIB, size=size)


def values(model: Model, step: Step) -> dict[str, Scalar]:
    return {expected.name: expected.value for expected in model.predict(step).expected}


@given(
    target=st.sampled_from(["x86_64", "arm64", "ppc64-radix"]),
    size=st.integers(1, 127).map(lambda n: n * 16 * MIB),
)
def test_whole_blocks_within_the_device_and_no_more(target: str, size: int) -> None:
    guest = machine(target)
    device = place_namespace(guest, guest.region(0), 0, devdax(size))
    assert isinstance(device, Namespace)
    assert device.info is not None
    spans = online_spans(guest, device)
    block, _ = memory_block(guest)
    usable = device.start + device.info.data_offset
    whole = sum(span.size for span in spans)
    assert device.size_bytes - whole < 2 * block
    for memory in spans:
        assert memory.start % block == memory.end % block == 0
        assert usable <= memory.start
        assert memory.end <= usable + device.size_bytes
    model = Model(guest)
    model.predict(devdax(size))
    added = values(model, AS_RAM).get("added_bytes", 0)
    assert (added, values(model, AS_DEVICE)["added_bytes"]) == (whole, -whole)


def large(kernel: str, *sizes: int) -> Model:
    facts = assumed_facts(parse_kernel_spec(kernel), TARGETS["x86_64"].kernel.fragments)
    starts = range(8 * GIB, 8 * GIB + 128 * GIB * len(sizes), 128 * GIB)
    devices = tuple(
        PmemDevice(size, start, 128 << 10, f"uuid{start}")
        for size, start in zip(sizes, starts, strict=True)
    )
    return Model(Machine(TARGETS["x86_64"], facts, Layout(2 * GIB, 2, devices)))


def test_struct_pages_of_what_becomes_ram_must_fit_into_what_is() -> None:
    """A device may hold those of a devdax, and none of RAM: 1600M for 100G."""
    made = CreateNamespace(mode="devdax", map="dev")
    model = large("debian:6.1", 100 * GIB, 100 * GIB)
    for step in (made, AS_RAM, made.model_copy(update={"region": 1})):
        assert model.predict(step).unsupported is None
    with pytest.raises(UserError, match="do not fit into the guest's RAM: of 2G there are 1920M"):
        model.predict(ReconfigureDevice(mode="system-ram", region=1))
    alone = large("debian:6.1", 127 * GIB)
    alone.predict(made)
    with pytest.raises(UserError, match="do not fit into the guest's RAM"):
        alone.predict(AS_RAM)


@pytest.mark.parametrize("step", [AS_RAM, AS_DEVICE, KmemState(state="unplugged")])
def test_of_two_devices_in_a_region_the_later_one_is_meant(step: Step) -> None:
    model = Model(machine("x86_64", "debian:7.3"))
    for before in (devdax(512 * MIB), AS_RAM, devdax(GIB)):
        model.predict(before)
    with pytest.raises(UserError, match="region 0 has another device that is RAM"):
        model.predict(step)


def test_a_device_that_is_ram_is_nothing_else_meanwhile() -> None:
    model = Model(machine("ppc64-radix"))
    assert values(model, AS_RAM) == values(model, AS_DEVICE) == {"outcome": "no-device"}
    model.predict(devdax(GIB))
    with pytest.raises(UserError, match="is not system-ram"):
        model.predict(AS_DEVICE)
    assert values(model, AS_RAM)["outcome"] == "reconfigured"
    with pytest.raises(UserError, match="region 0 is RAM"):
        model.predict(AS_RAM)
    with pytest.raises(UserError, match="is RAM at this point"):
        model.predict(DestroyNamespaces())
    model.predict(AS_DEVICE)
    assert values(model, DestroyNamespaces())["outcome"] == "destroyed"


def test_a_node_has_no_ram_of_a_device_that_kmem_refuses() -> None:
    guest = machine("ppc64-radix")
    devices = tuple(replace(device, node=1) for device in guest.layout.pmem)
    layout = replace(guest.layout, nodes=(2 * GIB, 0), pmem=devices)
    model = Model(Machine(guest.target, guest.kernel, layout))
    for size, nodes in ((64 * MIB, "0"), (GIB, "0-1")):
        model.predict(devdax(size))
        model.predict(AS_RAM)
        assert values(model, MemoryModel())["nodes"] == nodes
        model.predict(AS_DEVICE)
        model.predict(DestroyNamespaces())


def state(word: str) -> KmemState:
    return KmemState.model_validate({"state": word})


def test_all_memory_goes_and_comes_by_the_state() -> None:
    model = Model(machine("ppc64-radix", "debian:7.3"))
    model.predict(devdax(GIB))
    with pytest.raises(UserError, match="is not RAM at this point"):
        model.predict(state("unplugged"))
    added = values(model, AS_RAM)["added_bytes"]
    assert isinstance(added, int)
    gone = values(model, state("unplugged"))
    assert (gone["state"], gone["added_bytes"], gone["blocks"]) == ("unplugged", -added, 0)
    back = values(model, state("online_movable"))
    assert (back["state"], back["added_bytes"]) == ("online_movable", added)
    assert back["online_blocks"] == back["blocks"] != 0
    assert values(model, AS_DEVICE)["added_bytes"] == -added


def test_what_has_no_memory_left_gives_none_back() -> None:
    model = Model(machine("ppc64-radix", "debian:7.3"))
    for step in (devdax(GIB), AS_RAM, state("unplugged")):
        model.predict(step)
    assert values(model, AS_DEVICE)["added_bytes"] == 0
    assert values(model, AS_RAM)["added_bytes"] != 0
    assert values(model, state("unplugged"))["added_bytes"] != 0


@given(words=st.lists(st.sampled_from(["unplugged", "online_movable", "offline"]), max_size=8))
def test_a_state_that_is_refused_changes_nothing(words: list[str]) -> None:
    model = Model(machine("x86_64", "debian:7.3"))
    model.predict(devdax(GIB))
    memory = values(model, AS_RAM)["added_bytes"]
    assert isinstance(memory, int)
    there, last = memory, "offline"
    for word in words:
        seen = values(model, state(word))
        assert (seen["outcome"] == "set") is (
            word != "offline" and ("unplugged" in (word, last) or word == last)
        )
        last = word if seen["outcome"] == "set" else last
        there += int(str(seen["added_bytes"]))
        assert (seen["state"], there) == (last, 0 if last == "unplugged" else memory)


def test_a_kernel_that_adds_memory_online_says_so() -> None:
    guest = machine("x86_64", "debian:7.3")
    config = {**guest.kernel.config, "MHP_DEFAULT_ONLINE_TYPE_ONLINE_MOVABLE": "y"}
    model = Model(Machine(guest.target, replace(guest.kernel, config=config), guest.layout))
    for step in (devdax(GIB), AS_RAM):
        model.predict(step)
    assert values(model, state("offline"))["state"] == "online_movable"


def test_before_7_3_there_is_no_state() -> None:
    unsupported = Model(machine("ppc64-radix")).predict(state("unplugged")).unsupported
    assert "no state of devices that are RAM" in str(unsupported)


def test_without_the_driver_it_is_unsupported() -> None:
    guest = machine("ppc64-radix")
    config = {name: text for name, text in guest.kernel.config.items() if name != "DEV_DAX_KMEM"}
    without = Machine(guest.target, replace(guest.kernel, config=config), guest.layout)
    assert "CONFIG_DEV_DAX_KMEM" in str(Model(without).predict(AS_RAM).unsupported)


@pytest.mark.parametrize("text", ["", "[]", "{}", '[{"mode":"devdax"}]', "[1, 2]", "no JSON"])
def test_what_is_no_device_is_no_observation(text: str) -> None:
    with pytest.raises(InfrastructureError, match="no single device"):
        parse_device(text)
