"""Steps about dynamic dax regions: devices made, resized and destroyed in soft-reserved memory.

Like those in ``steps.py``, which lists them among all others. ``dax_region`` counts regions of
soft-reserved memory by ascending physical address, from 0. The devdax device of a pmem
namespace is the only one of a static region: a step that names a ``region`` asks the kernel for
what it refuses there.
"""

from __future__ import annotations

from typing import ClassVar

import pydantic

from harness.scenario.step import Device, DeviceStep, Index, PositiveSize, Step
from harness.target import Size


class DaxStep(Step):
    """What steps that show devices have in common.

    A device's values are ``size_bytes``, ``align_bytes``, ``resource`` (the address of its first
    byte, or of its region's where it has none), ``target_node`` (None where it has none),
    ``driver`` (``device_dax``, ``kmem``, or None), ``ranges`` (their number) and for each, in
    the order of its offsets, ``range<i>.start``, ``range<i>.end`` (its last byte) and
    ``range<i>.page_offset`` (base pages).
    """


class DaxRegions(DaxStep):
    """Read what the kernel made of soft-reserved memory: regions, and the devices in them.

    Shows ``dax_regions`` (their number) and for each ``dax_region<i>.size_bytes``,
    ``dax_region<i>.available_bytes``, ``dax_region<i>.align_bytes``,
    ``dax_region<i>.devices`` (ids, ascending, spaces between),
    ``dax_region<i>.seed`` and ``dax_region<i>.youngest`` (ids, None without), and every
    device's values under its name, ``dax0.1.size_bytes``.
    """

    kind: ClassVar[str] = "dax-regions"


class CreateDevice(DaxStep):
    """``daxctl create-device`` in one region.

    Without ``size`` daxctl takes all that is free, without ``align`` the device has the
    region's. ``dax_region`` counts regions of soft-reserved memory by ascending address, from 0;
    ``region`` asks for a device in the static region of a pmem namespace instead.

    Shows ``outcome`` (``created`` or ``refused``), ``available_bytes``, ``devices`` and
    ``seed`` of the region afterwards. Created: ``device`` (its id), its values,
    ``memmap_pages``, ``ram_bytes`` and ``memmap_counted_pages`` as ``create-namespace`` has
    them. Refused: ``errno`` (daxctl's, its name), ``kernel_errno`` (of the file in sysfs that
    did not take what daxctl wrote) and ``message``, daxctl's own words.
    """

    kind: ClassVar[str] = "create-device"
    dax_region: Index = 0
    region: Index | None = None
    size: PositiveSize | None = None
    align: PositiveSize | None = None


class ResizeDevice(DaxStep, DeviceStep):
    """``daxctl reconfigure-device --size`` on a device that is disabled for it.

    A device that then has memory is enabled afterwards. With ``disable`` false it is neither
    disabled nor enabled; a device that is RAM can only be asked for so. ``align`` is set first,
    where it is given.

    Shows ``outcome`` (``resized`` or ``refused``), the device's values, ``available_bytes``,
    and what changed meanwhile of memory, as ``create-device``. Refused: ``errno``,
    ``kernel_errno`` and ``message`` as well.
    """

    kind: ClassVar[str] = "resize-device"
    size: Size = pydantic.Field(ge=0)
    align: PositiveSize | None = None
    disable: bool = True


class DestroyDevice(Step):
    """``daxctl destroy-device``; ``force`` disables it before, and is not for one that is RAM.

    Shows ``outcome`` (``destroyed``, or ``refused`` with ``errno``, ``kernel_errno`` and
    ``message``), ``available_bytes``, ``devices`` and ``seed`` of the region afterwards, and
    what came back of memory as negative ``ram_bytes`` and ``memmap_counted_pages``.
    """

    kind: ClassVar[str] = "destroy-device"
    device: Device
    force: bool = True


DAX_STEPS: tuple[type[Step], ...] = (DaxRegions, CreateDevice, ResizeDevice, DestroyDevice)
