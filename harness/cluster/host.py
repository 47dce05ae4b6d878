"""What a worker's host can do, in the names of Dask's resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.cluster.resources import CORES, MEMORY, code_resource, kvm_resource, target_resource
from harness.command_line import firmware_code, firmware_vars_template
from harness.errors import InfrastructureError
from harness.machine.acceleration import AccelerationMemory, is_plausible
from harness.machine.versions import find_emulator
from harness.target import Target


def offers(
    targets: Iterable[Target], store_root: Path, code: str, cores: int, memory_bytes: int
) -> dict[str, float]:
    """The resources of a host that runs as many guests at a time as it has ``cores``.

    KVM counts where a guest came up under it, and where nobody has tried yet: the first
    guest does, and runs without it where that fails.
    """
    found: dict[str, float] = {CORES: cores, MEMORY: memory_bytes, code_resource(code): cores}
    for target in targets:
        for name in _of_target(target, store_root):
            found[name] = cores
    return found


def _of_target(target: Target, store_root: Path) -> Iterator[str]:
    try:
        emulator = find_emulator(target.qemu.binary)
        firmware_code(target)
        firmware_vars_template(target)
    except InfrastructureError:
        return
    yield target_resource(target.name)
    memory = AccelerationMemory.of(store_root, emulator, target.qemu.cpu)
    if is_plausible(target.arch) and memory.recall() is not False:
        yield kvm_resource(target.arch)
