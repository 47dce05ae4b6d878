"""What is sent to a worker at a time, and which worker may have it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from harness.campaign.order import Order

# By the names of Dask's resources: how much a worker has, or how much a chunk takes of it.
Resources: TypeAlias = Mapping[str, float]

CORES: Final = "cores"
MEMORY: Final = "memory"

_TARGET: Final = "target-"

# QEMU's own, the pages that it keeps of its files, and the process that watches it.
_BESIDES_RAM: Final = 384 << 20

# A boot takes as long as a few cells, which is why they share one; a lost worker, or the last
# one to finish, costs a chunk at the most.
_FEWEST, _MOST = 4, 16
_TURNS: Final = 4


def target_resource(name: str) -> str:
    """QEMU and firmware of a target are there."""
    return f"{_TARGET}{name}"


def targets_of(names: Iterable[str]) -> Iterator[str]:
    """The targets among the names of resources."""
    yield from (name.removeprefix(_TARGET) for name in names if name.startswith(_TARGET))


def kvm_resource(arch: str) -> str:
    """Guests of an architecture run under KVM."""
    return f"kvm-{arch}"


def code_resource(digest: str) -> str:
    """The worker has the very same daxhound: it predicts and judges."""
    return f"daxhound-{digest[:16]}"


def cut(orders: Sequence[Order], cores: int) -> Iterator[tuple[Order, ...]]:
    """Chunks of orders that one guest can run, whose first ones stand in their order.

    With more than enough of them each of ``cores`` has several turns. In a series the kernels
    of a cell stand together; their orders are of different guests.
    """
    longest = min(_MOST, max(_FEWEST, math.ceil(len(orders) / (_TURNS * max(cores, 1)))))
    groups: dict[Hashable, list[Order]] = {}
    for order in orders:
        groups.setdefault(_guest(order), []).append(order)
    for group in groups.values():
        yield from _in_parts(tuple(group), longest)


def _guest(order: Order) -> Hashable:
    return order.cell.guest, tuple(patch.digest for patch in order.patches)


def _in_parts(group: tuple[Order, ...], longest: int) -> Iterator[tuple[Order, ...]]:
    """As few parts as may be, none longer than another by more than one."""
    parts = math.ceil(len(group) / longest)
    for part in range(parts):
        yield group[len(group) * part // parts : len(group) * (part + 1) // parts]


def needs(orders: Sequence[Order], code: str) -> dict[str, float]:
    """What a chunk takes of a worker, KVM apart."""
    cell = orders[0].cell
    return {
        CORES: 1,
        MEMORY: cell.layout.ram_bytes + _BESIDES_RAM,
        target_resource(cell.target.name): 1,
        code_resource(code): 1,
    }


def fits(wanted: Resources, worker: Resources) -> bool:
    """Whether a worker has as much of everything, be it busy or not."""
    return all(worker.get(name, 0) >= amount for name, amount in wanted.items())


def preferred(wanted: Resources, arch: str, workers: Iterable[Resources]) -> dict[str, float]:
    """The same, and KVM where some worker has it: a guest is many times as fast there."""
    faster = {**wanted, kvm_resource(arch): 1}
    return faster if any(fits(faster, worker) for worker in workers) else dict(wanted)


def lacking(wanted: Resources, workers: Sequence[Resources]) -> str:
    """Why no worker will do, in words; "" where one does."""
    if any(fits(wanted, worker) for worker in workers):
        return ""
    if not workers:
        return "the cluster has no worker"
    for name, amount in wanted.items():
        if not any(worker.get(name, 0) >= amount for worker in workers):
            return f"no worker of {len(workers)} has {_words(name, amount)}"
    return f"no worker of {len(workers)} has all of: {', '.join(wanted)}"


def _words(name: str, amount: float) -> str:
    kind, _, what = name.partition("-")
    match kind:
        case "target":
            return f"QEMU and firmware of {what}"
        case "daxhound":
            return "this very daxhound; the same code must be on all machines"
        case "memory":
            return f"{amount / (1 << 30):.1f} GiB of memory for a guest"
    return f"{amount:g} of {name}"
