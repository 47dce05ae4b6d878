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
from harness.scenario.steps import CreateNamespace, DestroyNamespaces, ReconfigureDevice, Step
from harness.target import load_targets

MIB, GIB = 1 << 20, 1 << 30
TARGETS = load_targets()
AS_RAM, AS_DEVICE = ReconfigureDevice(mode="system-ram"), ReconfigureDevice(mode="devdax")


@cache
def machine(target: str) -> Machine:
    facts = assumed_facts(parse_kernel_spec("debian:6.1"), TARGETS[target].kernel.fragments)
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


def test_without_the_driver_it_is_unsupported() -> None:
    guest = machine("ppc64-radix")
    config = {name: text for name, text in guest.kernel.config.items() if name != "DEV_DAX_KMEM"}
    without = Machine(guest.target, replace(guest.kernel, config=config), guest.layout)
    assert "CONFIG_DEV_DAX_KMEM" in str(Model(without).predict(AS_RAM).unsupported)


@pytest.mark.parametrize("text", ["", "[]", "{}", '[{"mode":"devdax"}]', "[1, 2]", "no JSON"])
def test_what_is_no_device_is_no_observation(text: str) -> None:
    with pytest.raises(InfrastructureError, match="no single device"):
        parse_device(text)
