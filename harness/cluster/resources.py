"""What a chunk of cells takes of a worker, and which worker may have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from harness.campaign.chunks import guest_bytes
from harness.campaign.order import Order

# By the names of Dask's resources: how much a worker has, or how much a chunk takes of it.
Resources: TypeAlias = Mapping[str, float]

CORES: Final = "cores"
MEMORY: Final = "memory"

_TARGET: Final = "target-"


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


def needs(orders: Sequence[Order], code: str) -> dict[str, float]:
    """What a chunk takes of a worker, KVM apart."""
    cell = orders[0].cell
    return {
        CORES: 1,
        MEMORY: guest_bytes(cell.layout),
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
