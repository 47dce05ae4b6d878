"""A dynamic dax region and the devices in it: who gets which space, by which rules.

Source: drivers/dax/bus.c. Space is handed out from the lowest address on (dev_dax_resize),
and taken back from a device's last range on (dev_dax_shrink). Sizes and addresses are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from harness.model.geometry import Span
from harness.model.ram import Ram
from harness.scenario.steps import Map, Mode

Driver: TypeAlias = Literal["device_dax", "kmem"]


@dataclass(slots=True)
class DaxDevice:
    """One device; its data are ``ranges``, in the order of their offsets. None may be there.

    ``ram`` is what kmem has of it.
    """

    region: int
    id: int
    align: int
    driver: Driver | None = None
    ranges: list[Span] = field(default_factory=list)
    ram: Ram | None = None

    @property
    def size_bytes(self) -> int:
        return sum(span.size for span in self.ranges)

    @property
    def active(self) -> bool:
        """Whether a driver has it: it is then left as it is."""
        return self.driver is not None

    @property
    def data(self) -> tuple[Span, ...]:
        return tuple(self.ranges)

    @property
    def start(self) -> int:
        """Where its first compound begins."""
        return self.ranges[0].start if self.ranges else 0

    @property
    def mode(self) -> Mode:
        return "devdax"

    @property
    def map(self) -> Map:
        """Its struct pages are in RAM: no range of it is kept for them."""
        return "mem"


@dataclass(slots=True)
class DaxRegion:
    """Soft-reserved memory that devices are made of; ``node`` is None for what has none.

    ``seed`` and ``youngest`` are ids: of the first device that was made and has had no driver
    since, and of the last one that was made.
    """

    index: int
    span: Span
    align: int
    node: int | None
    devices: dict[int, DaxDevice] = field(default_factory=dict)
    seed: int | None = None
    youngest: int | None = None

    def ranges(self) -> list[Span]:
        """What devices have, by ascending address."""
        taken = (span for device in self.devices.values() for span in device.ranges)
        return sorted(taken, key=lambda span: span.start)

    @property
    def available_bytes(self) -> int:
        return self.span.size - sum(span.size for span in self.ranges())

    def holes(self) -> list[Span]:
        """What no device has, by ascending address."""
        edges = [
            self.span.start,
            *(edge for span in self.ranges() for edge in (span.start, span.end)),
        ]
        edges.append(self.span.end)
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [Span(start, end) for start, end in pairs if start < end]

    def create(self) -> DaxDevice:
        """A device of no size; it takes the lowest id that is free (ida_alloc)."""
        free = next(id_ for id_ in range(len(self.devices) + 1) if id_ not in self.devices)
        device = self.devices[free] = DaxDevice(self.index, free, self.align)
        self.seed = free if self.seed is None else self.seed
        self.youngest = free
        return device

    def delete(self, device: DaxDevice) -> None:
        """Forget an empty device."""
        del self.devices[device.id]
        self.seed = None if self.seed == device.id else self.seed
        self.youngest = None if self.youngest == device.id else self.youngest

    def bind(self, device: DaxDevice, driver: Driver) -> None:
        """A driver takes a device, which then is the seed no more (dax_bus_probe)."""
        device.driver = driver
        self.seed = None if self.seed == device.id else self.seed

    def resize(self, device: DaxDevice, size: int) -> None:
        """Give a device as much as that; there must be room."""
        if size < device.size_bytes:
            _shrink(device, device.size_bytes - size)
        while device.size_bytes < size:
            hole = self.holes()[0]
            part = Span(hole.start, min(hole.end, hole.start + size - device.size_bytes))
            _append(device, part)


def _append(device: DaxDevice, part: Span) -> None:
    """Behind what the device has: more of its last range where that ends there (adjust_ok)."""
    if device.ranges and device.ranges[-1].end == part.start:
        device.ranges[-1] = Span(device.ranges[-1].start, part.end)
    else:
        device.ranges.append(part)


def _shrink(device: DaxDevice, less: int) -> None:
    while less:
        last = device.ranges.pop()
        if last.size > less:
            device.ranges.append(Span(last.start, last.end - less))
        less -= min(less, last.size)
