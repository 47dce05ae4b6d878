"""Memory of a device that the kmem driver made RAM, as its state tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.model.machine import Machine

UNPLUGGED = "unplugged"

Online: TypeAlias = Literal["nothing", "seen", "everything"]

# mm/Kconfig, MHP_DEFAULT_ONLINE_TYPE: how blocks are added where nobody says it.
_DEFAULT_ONLINE_TYPE = {
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "online",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_KERNEL": "online_kernel",
    "MHP_DEFAULT_ONLINE_TYPE_ONLINE_MOVABLE": "online_movable",
}


@dataclass(slots=True)
class Ram:
    """What kmem has of a device. ``state`` is how it added the blocks, ``online`` which of them are
    in use: daxctl brings those that it has seen online, each by itself, and the state stays.
    What is not ``movable`` may be used by the kernel itself.
    """

    state: str
    online: Online
    movable: bool = True

    @classmethod
    def added(cls, machine: Machine) -> Ram:
        """As the driver adds it when it takes the device."""
        names = _DEFAULT_ONLINE_TYPE.items()
        state = next((word for name, word in names if machine.kernel.has(name)), "offline")
        return cls(state, "nothing" if state == "offline" else "everything")

    @classmethod
    def brought_online(cls, machine: Machine, *, movable: bool) -> Ram:
        """As daxctl leaves what the driver has just added."""
        ram = cls.added(machine)
        return cls(ram.state, "seen" if ram.online == "nothing" else ram.online, movable)

    @property
    def plugged(self) -> bool:
        return self.state != UNPLUGGED
