"""The ways to make a model wrong: a property, a function, a check, a result."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from harness.model import namespace, ndctl
from harness.model.geometry import InfoBlock
from harness.model.machine import Machine
from harness.model.ndctl import Refusal, Request
from harness.model.rules import RULES
from harness.model.state import Namespace, RegionState
from harness.model.vmemmap_ram import Taken
from harness.records import Expected, PmemDevice
from harness.scenario.steps import CreateNamespace


@dataclass(frozen=True, slots=True)
class Variant:
    """One mistake: what is wrong, the rules whose values it breaks, and how to make it."""

    mistake: str
    rules: tuple[str, ...]
    apply: Callable[[], AbstractContextManager[Any]]


def attribute(name: str, wrong: Callable[[Machine], Any]) -> Callable[[], Any]:
    """A property of the machine, as a mistaken model has it."""
    return lambda: mock.patch.object(Machine, name, property(wrong))


def instead(module: Any, name: str, wrong: Any) -> Callable[[], Any]:
    return lambda: mock.patch.object(module, name, wrong)


def around(module: Any, name: str, change: Callable[[Any], Any]) -> Callable[[], Any]:
    """A function whose result is changed."""
    right = getattr(module, name)
    return lambda: mock.patch.object(module, name, lambda *a, **k: change(right(*a, **k)))


def info(**changes: Callable[[InfoBlock], int]) -> Callable[[], Any]:
    def change(info: InfoBlock) -> InfoBlock:
        return replace(info, **{name: value(info) for name, value in changes.items()})

    return around(namespace, "place_info_block", change)


def without_check(name: str) -> Callable[[], Any]:
    return instead(ndctl, name, lambda *_: None)


def no_blocks(taken: Taken) -> Taken:
    return replace(taken, blocks=())


def refusal(name: str, **changes: Any) -> Callable[[], Any]:
    def change(found: Any) -> Any:
        return replace(found, **changes) if isinstance(found, Refusal) else found

    return around(ndctl, name, change)


def sectors_of_512(found: Request | Refusal) -> Request | Refusal:
    if isinstance(found, Request) and found.sector_bytes:
        return replace(found, sector_bytes=512)
    return found


def mapped_to_ram(found: Request | Refusal) -> Request | Refusal:
    if isinstance(found, Request) and found.map:
        return replace(found, map="mem")
    return found


def as_fsdax(found: Namespace | Refusal) -> Namespace | Refusal:
    return replace(found, mode="fsdax") if isinstance(found, Namespace) else found


def doubled(device: PmemDevice) -> PmemDevice:
    return replace(device, size_bytes=2 * device.size_bytes)


def no_align_mode() -> Any:
    right = ndctl._alignment

    def wrong(
        machine: Machine, region: PmemDevice, step: CreateNamespace, seed_align: int
    ) -> int | Refusal:
        found = right(machine, region, step, seed_align)
        mode = isinstance(found, Refusal) and found.rule.id == "ndctl.align-mode"
        return machine.page if mode else found

    return mock.patch.object(ndctl, "_alignment", wrong)


def by_fresh_seed(
    machine: Machine, region: RegionState, step: CreateNamespace
) -> Namespace | Refusal:
    return namespace.place_namespace(machine, region.device, region.used_bytes, step)


def still_there(*_: Any) -> tuple[Expected, ...]:
    return (Expected("namespaces_left", 1, RULES["ns.destroyed"]),)


def fewer(expected: Any) -> Any:
    return replace(expected, value=expected.value - 2) if expected.value else expected


class Everywhere:
    """One function under all the names that modules took it by."""

    def __init__(self, name: str, wrong: Any) -> None:
        modules = ("vmemmap", "vmemmap_ram", "memmap")
        self.patches = [mock.patch(f"harness.model.{module}.{name}", wrong) for module in modules]

    def __enter__(self) -> None:
        for patch in self.patches:
            patch.start()

    def __exit__(self, *_: object) -> None:
        for patch in self.patches:
            patch.stop()


def everywhere(name: str, wrong: Any) -> AbstractContextManager[Any]:
    return Everywhere(name, wrong)
