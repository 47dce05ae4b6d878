"""Steps about a devdax device whose memory is RAM: the kmem driver's.

Like those in ``steps.py``, which lists them among all others.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import pydantic

from harness.scenario.step import DeviceStep, Step


class ReconfigureDevice(DeviceStep):
    """``daxctl reconfigure-device`` on a devdax device: RAM, or a device again.

    It is the pmem ``region``'s, or the ``device`` that is named. As ``system-ram`` its memory
    is hotplugged by the kmem driver, and nothing else can be done with it until it is
    ``devdax`` again. With ``movable`` false the kernel may use it for itself, and it stays RAM.

    Shows ``outcome`` (``reconfigured``, ``refused`` with ``errno`` and ``message``, or
    ``no-device``), ``mode``, ``target_node`` (the memory node), ``added_bytes`` (by which
    MemTotal grew, negative where it shrank), ``changed_nodes`` (the memory nodes whose MemTotal
    did so) and, as ``system-ram``, ``blocks`` (memory blocks of the device), ``online_blocks``,
    ``movable`` and ``last_page``: what /proc/kpageflags has of the last page in the last whole
    block of the device's first range (``page``, ``no-page`` as of what is not online, or
    ``nothing`` where it ends before).
    """

    kind: ClassVar[str] = "reconfigure-device"
    mode: Literal["system-ram", "devdax"]
    movable: bool = True

    @pydantic.model_validator(mode="after")
    def _movable_as_ram(self) -> ReconfigureDevice:
        if self.mode == "devdax" and "movable" in self.model_fields_set:
            raise ValueError("movable is of memory, which is mode: system-ram")
        return self


class KmemState(DeviceStep):
    """Write to the ``state`` of a device that is RAM: all of its memory, at once.

    It is the pmem ``region``'s, or the ``device`` that is named; the kmem driver has it, by
    ``reconfigure-device`` with ``mode: system-ram`` or by itself. The kernel's own words:
    ``unplugged`` takes the memory away, ``online_movable`` adds it again; ``offline`` is what the
    kernel shows of blocks that were added so, and does not take.

    Shows ``outcome`` (``set``, or ``refused`` with ``errno``), ``state`` (what is read of it
    then), ``added_bytes`` (by which MemTotal grew, negative where it shrank), ``blocks`` (memory
    blocks of the device) and ``online_blocks``.
    """

    kind: ClassVar[str] = "kmem-state"
    state: Literal["unplugged", "online_movable", "offline"]


KMEM_STEPS: tuple[type[Step], ...] = (ReconfigureDevice, KmemState)
