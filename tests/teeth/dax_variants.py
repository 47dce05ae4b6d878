"""The model of dynamic dax regions, wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest import mock

from harness.model import dax, dax_change, dax_cost, dax_region, soft_reserved
from harness.model.dax_region import DaxDevice, DaxRegion
from harness.model.geometry import Span
from harness.model.machine import MIB, Machine
from harness.records import Expected
from tests.teeth.wrong import Variant, around, attribute, instead

_RIGHT_CREATE = DaxRegion.create
_RIGHT_STATIC = dax._in_static_region


def _regions(change: Callable[[DaxRegion], Any]) -> Callable[[], AbstractContextManager[Any]]:
    """Every region of a new guest, changed."""

    def wrong(machine: Machine) -> tuple[DaxRegion, ...]:
        found = soft_reserved.dax_regions(machine)
        for region in found:
            change(region)
        return found

    return lambda: mock.patch("harness.model.state.dax_regions", wrong)


def _one_more(machine: Machine) -> tuple[DaxRegion, ...]:
    extra = DaxRegion(9, Span(0, 2 * MIB), 2 * MIB, 0)
    return (*soft_reserved.dax_regions(machine), extra)


def _with_all_memory(region: DaxRegion) -> None:
    region.resize(region.devices[0], region.span.size)


def _by_page(region: DaxRegion) -> None:
    region.align = 4096


def _youngest_is_seed(region: DaxRegion) -> DaxDevice:
    device = _RIGHT_CREATE(region)
    region.seed = device.id
    return device


def _id_never_used(region: DaxRegion) -> DaxDevice:
    device = _RIGHT_CREATE(region)
    del region.devices[device.id]
    device.id = region.youngest = max(region.devices, default=-1) + 1
    region.seed = device.id if region.seed not in region.devices else region.seed
    region.devices[device.id] = device
    return device


def _in_address_order(device: DaxDevice, part: Span) -> None:
    device.ranges = sorted((*device.ranges, part), key=lambda span: span.start)


def _shrink_from_the_start(device: DaxDevice, less: int) -> None:
    device.ranges.reverse()
    while less:
        first = device.ranges.pop()
        if first.size > less:
            device.ranges.append(Span(first.start + less, first.end))
        less -= min(less, first.size)
    device.ranges.reverse()


def _passed_on(found: tuple[Expected, ...]) -> tuple[Expected, ...]:
    told = {expected.name: expected.value for expected in found}
    return tuple(
        replace(expected, value=told["kernel_errno"]) if expected.name == "errno" else expected
        for expected in found
    )


def _passing_errors_on() -> AbstractContextManager[Any]:
    right = dax_change.Refused.expected
    return mock.patch.object(dax_change.Refused, "expected", lambda self: _passed_on(right(self)))


DAX_VARIANTS = (
    Variant(
        "there is one dynamic region more",
        ("dyn.none", "dyn.region"),
        lambda: mock.patch("harness.model.state.dax_regions", _one_more),
    ),
    Variant("dynamic devices are aligned to a page", ("dyn.region",), _regions(_by_page)),
    Variant(
        "an idle region has a device of all its memory", ("dyn.idle",), _regions(_with_all_memory)
    ),
    Variant(
        "soft-reserved memory goes to the other driver",
        ("dyn.whole",),
        attribute("gives_hmem_to_kmem", lambda m: not m.probe("hmem_for_kmem", since=(6, 3))),
    ),
    Variant(
        "all soft-reserved memory is on node 0",
        ("dyn.node",),
        instead(soft_reserved, "node_of", lambda *_: 0),
    ),
    Variant(
        "a region keeps a PMD for itself",
        ("dyn.available",),
        lambda: mock.patch.object(
            DaxRegion,
            "available_bytes",
            property(lambda self: max(0, sum(hole.size for hole in self.holes()) - 2 * MIB)),
        ),
    ),
    Variant(
        "ids are not used again",
        ("dyn.ids",),
        lambda: mock.patch.object(DaxRegion, "create", _id_never_used),
    ),
    Variant(
        "daxctl goes on with the device that it has just made",
        ("dyn.seed",),
        lambda: mock.patch.object(DaxRegion, "create", _youngest_is_seed),
    ),
    Variant(
        "space comes from the highest free addresses",
        ("dyn.first-fit",),
        around(DaxRegion, "holes", lambda found: found[::-1]),
    ),
    Variant(
        "ranges are not made longer",
        ("dyn.first-fit",),
        instead(dax_region, "_append", lambda device, part: device.ranges.append(part)),
    ),
    Variant(
        "ranges lie in the order of their addresses",
        ("dyn.offsets", "dyn.first-fit"),
        instead(dax_region, "_append", _in_address_order),
    ),
    Variant(
        "a device loses space from its first range on",
        ("dyn.shrink", "dyn.first-fit"),
        instead(dax_region, "_shrink", _shrink_from_the_start),
    ),
    Variant(
        "a size need be no multiple of 2M",
        ("dyn.size-align",),
        instead(dax_change, "_unit", lambda _machine, align: align),
    ),
    Variant(
        "any alignment will do",
        ("dyn.align",),
        instead(dax_change, "_why_not_aligned", lambda *_: None),
    ),
    Variant(
        "a driver is no hindrance",
        ("dyn.busy", "dyn.daxctl-active"),
        lambda: mock.patch.object(DaxDevice, "active", property(lambda _self: False)),
    ),
    Variant("device 0 goes", ("dyn.first-stays",), instead(dax, "_stays", lambda _device: False)),
    Variant("every device stays", ("dyn.destroyed",), instead(dax, "_stays", lambda _device: True)),
    Variant(
        "a static region says EINVAL",
        ("dyn.static",),
        instead(
            dax,
            "_in_static_region",
            lambda state, kind, _kernel, errno: _RIGHT_STATIC(state, kind, "EINVAL", errno),
        ),
    ),
    Variant("daxctl passes errors on", ("dyn.daxctl-errno",), _passing_errors_on),
    Variant(
        "kmem takes what is made",
        ("dyn.created",),
        lambda: mock.patch.object(
            DaxRegion, "bind", lambda _self, device, _driver: setattr(device, "driver", "kmem")
        ),
    ),
    Variant(
        "the first pages of a device are not initialised",
        ("dyn.initialised",),
        lambda: mock.patch.object(
            dax,
            "expect_initialised_pages",
            lambda machine, pages: tuple(
                replace(expected, value=pages - 2)
                for expected in dax_cost.expect_initialised_pages(machine, pages)
            ),
        ),
    ),
)
