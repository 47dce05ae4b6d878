"""Memory nodes: which are online, and which a pmem device, its struct pages and its RAM are on."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.errors import UserError
from harness.model import Machine, Model
from harness.model.numa import expect_nodes
from harness.model.soft_reserved import ram_of_nodes
from harness.records import KernelFacts, Layout, PmemDevice, Scalar, SoftReserved
from harness.scenario.steps import (
    CreateDevice,
    CreateNamespace,
    KmemState,
    MemoryModel,
    ReconfigureDevice,
    Regions,
    Step,
)
from harness.target import load_targets

MIB, GIB = 1 << 20, 1 << 30
SYMBOLS = (
    "ACPI_NFIT LIBNVDIMM BLK_DEV_PMEM ZONE_DEVICE NVDIMM_PFN NVDIMM_DAX DEV_DAX DEV_DAX_PMEM "
    "DEV_DAX_KMEM DEV_DAX_HMEM EFI_SOFT_RESERVE MEMORY_HOTPLUG MEMORY_HOTREMOVE "
    "TRANSPARENT_HUGEPAGE NUMA ACPI_NUMA"
)
DEVDAX = CreateNamespace(mode="devdax", map="mem", align=2 * MIB)


def machine(
    *nodes: int,
    device: int = 1,
    without: str = "",
    devices: int = 1,
    soft: tuple[SoftReserved, ...] = (),
    idle: bool = True,
) -> Machine:
    symbols = dict.fromkeys(SYMBOLS.split(), "y")
    kernel = KernelFacts((7, 3, 4), "release", {**symbols, without: "n"}, 64)
    pmem = tuple(
        PmemDevice(GIB, (4 + index) * GIB, 128 << 10, "uuid", device) for index in range(devices)
    )
    layout = Layout(sum(nodes), 2, pmem, nodes, soft, bool(soft) and idle)
    return Machine(load_targets()["x86_64"], kernel, layout)


def shown(guest: Machine, *steps: Step) -> dict[str, Scalar]:
    """What the last step must show, after all before it."""
    model = Model(guest)
    return {e.name: e.value for e in [model.predict(step) for step in steps][-1].expected}


@pytest.mark.parametrize(
    ("nodes", "online"),
    [
        ((2 * GIB,), "0"),
        ((GIB, GIB), "0-1"),
        ((2 * GIB, 0), "0"),
        ((GIB, 0, GIB), "0,2"),
        ((GIB, GIB, 0, GIB, GIB, GIB), "0-1,3-5"),
    ],
)
def test_nodes_with_ram_are_online(nodes: tuple[int, ...], online: str) -> None:
    (seen,) = expect_nodes(machine(*nodes, device=0))
    assert seen.value == online


@pytest.mark.parametrize(
    ("nodes", "device", "nearest"),
    [((GIB, GIB), 1, 1), ((2 * GIB, 0), 1, 0), ((GIB, GIB, 0), 2, 0), ((GIB, 0, GIB), 2, 2)],
)
def test_a_device_without_ram_beside_it_is_nearest_to_the_first_node(
    nodes: tuple[int, ...], device: int, nearest: int
) -> None:
    guest = machine(*nodes, device=device)
    seen = shown(guest, Regions())
    assert (seen["region0.numa_node"], seen["region0.target_node"]) == (nearest, device)
    assert f"node{nearest}.ram_bytes" in shown(guest, DEVDAX)


def test_ram_of_a_device_is_on_its_own_node() -> None:
    guest = machine(2 * GIB, 0)
    steps = (DEVDAX, ReconfigureDevice(mode="system-ram"))
    assert shown(guest, *steps)["changed_nodes"] == "1"
    assert shown(guest, *steps, MemoryModel())["nodes"] == "0-1"
    back = ReconfigureDevice(mode="devdax")
    assert shown(guest, *steps, back)["changed_nodes"] == "1"
    assert shown(guest, *steps, back, MemoryModel())["nodes"] == "0"
    assert "changed_nodes" not in shown(machine(2 * GIB, without="NUMA"), *steps)


def with_memory(model: Model) -> tuple[Scalar, Scalar]:
    seen = {e.name: e.value for e in model.predict(MemoryModel()).expected}
    return seen["nodes_with_memory"], seen["nodes_with_normal_memory"]


def as_ram(region: int, *, movable: bool = True) -> ReconfigureDevice:
    return ReconfigureDevice(region=region, mode="system-ram", movable=movable)


@pytest.mark.parametrize("first", [0, 1])
def test_a_node_has_memory_as_long_as_one_device_is_ram(first: int) -> None:
    model = Model(machine(2 * GIB, 0, devices=2))
    for region in (0, 1):
        model.predict(DEVDAX.model_copy(update={"region": region}))
        model.predict(as_ram(region))
        assert with_memory(model) == ("0-1", "0")
    for region, memory in ((first, "0-1"), (1 - first, "0")):
        model.predict(ReconfigureDevice(region=region, mode="devdax"))
        assert with_memory(model) == (memory, "0")


def test_memory_of_the_kernels_own_makes_a_node_normal_and_stays() -> None:
    model = Model(machine(2 * GIB, 0, devices=2))
    for region, movable, normal in ((0, True, "0"), (1, False, "0-1")):
        model.predict(DEVDAX.model_copy(update={"region": region}))
        added = model.predict(as_ram(region, movable=movable))
        assert {e.name: e.value for e in added.expected}["movable"] is movable
        assert with_memory(model) == ("0-1", normal)
        assert model.can_be_tidied is movable
    with pytest.raises(UserError, match="the kernel may use memory of the device"):
        model.predict(ReconfigureDevice(region=1, mode="devdax"))
    with pytest.raises(ValidationError, match="which is mode: system-ram"):
        ReconfigureDevice(mode="devdax", movable=False)


def test_memory_that_is_there_and_offline_is_none_of_its_node() -> None:
    model = Model(machine(2 * GIB, 0))
    for step in (DEVDAX, as_ram(0), KmemState(state="unplugged")):
        model.predict(step)
    assert with_memory(model) == ("0", "0")


# Of 2G and more below 4G: the second node begins at 4G.
ASIDE = SoftReserved(GIB, 4 * GIB)


@pytest.mark.parametrize(
    ("nodes", "soft", "left"),
    [
        ((2 * GIB, GIB), (ASIDE,), {0: 2 * GIB}),
        ((2 * GIB, 2 * GIB), (ASIDE,), {0: 2 * GIB, 1: GIB}),
        ((3 * GIB, GIB), (SoftReserved(2 * GIB, 4 * GIB),), {0: 2 * GIB}),
        ((3 * GIB, 0, GIB), (SoftReserved(3 * GIB // 2, 4 * GIB),), {0: 2 * GIB, 2: GIB // 2}),
    ],
)
def test_soft_reserved_memory_is_none_of_its_nodes_ram(
    nodes: tuple[int, ...], soft: tuple[SoftReserved, ...], left: dict[int, int]
) -> None:
    assert ram_of_nodes(machine(*nodes, device=0, soft=soft)) == left


def test_a_node_of_soft_reserved_memory_alone_is_none_until_that_is_ram() -> None:
    guest = machine(2 * GIB, GIB, soft=(ASIDE,))
    assert shown(guest, MemoryModel())["nodes"] == "0"
    seen = shown(guest, Regions())
    assert (seen["region0.numa_node"], seen["region0.target_node"]) == (0, 1)
    assert "node0.ram_bytes" in shown(guest, DEVDAX)
    as_ram = ReconfigureDevice.model_validate({"device": "dax0.1", "mode": "system-ram"})
    model = Model(guest)
    for step in (CreateDevice(size=GIB), as_ram):
        model.predict(step)
    assert with_memory(model) == ("0-1", "0")
    added = machine(2 * GIB, GIB, soft=(ASIDE,), idle=False)
    assert shown(added, MemoryModel())["nodes"] == "0-1"  # kmem has its blocks, and none in use
    assert with_memory(Model(added)) == ("0", "0")
