"""What a target and a kernel cannot have, said as a reason, before anything boots."""

from __future__ import annotations

from harness.model.machine import WITHOUT_EFI, Machine
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction
from harness.scenario.steps import Features, Filesystem, GupTest, Memory, Mode

_MODE_SYMBOLS: dict[str, tuple[str, ...]] = {
    "raw": (),
    "sector": ("BTT",),
    "fsdax": ("ZONE_DEVICE", "NVDIMM_PFN"),
    "devdax": ("ZONE_DEVICE", "NVDIMM_DAX", "DEV_DAX", "DEV_DAX_PMEM"),
}


def why_no_pmem(machine: Machine) -> str | None:
    """Why the guest shows no region at all; None where it does."""
    if machine.target.pmem is None:
        return f"{machine.target.name}: QEMU has no pmem device for this machine"
    return why_not_built(machine, ("LIBNVDIMM", machine.target.pmem.driver))


def why_no_mode(machine: Machine, mode: Mode) -> str | None:
    """Why no namespace of this mode can exist in the guest."""
    symbols = ("BLK_DEV_PMEM", *_MODE_SYMBOLS[mode])
    return why_no_pmem(machine) or why_not_built(machine, symbols)


def why_no_gup(machine: Machine, step: GupTest) -> str | None:
    """Why gup_test cannot run on this kind of memory in the guest."""
    missing = why_not_built(machine, ("GUP_TEST",))
    if missing:
        return missing
    return why_no_dax_device(machine) if step.device else why_no_memory(machine, step.memory)


def why_no_memory(machine: Machine, memory: Memory) -> str | None:
    """Why the guest has no memory of this kind."""
    if memory in ("devdax", "fsdax"):
        return why_no_mode(machine, "devdax" if memory == "devdax" else "fsdax")
    if memory == "hugetlb" and machine.default_huge_page is None:
        return f"{machine.target.name}: the guest has no huge page size for hugetlb"
    if memory == "thp" and not machine.has_huge_pages:
        return f"{machine.target.name}: the guest has no transparent huge pages"
    return None


def why_no_filesystem(machine: Machine, step: Filesystem) -> str | None:
    """Why no file system of this type can be mounted with DAX in the guest."""
    symbols = ("EXT4_FS" if step.type == "ext4" else "XFS_FS", "FS_DAX")
    return why_no_mode(machine, "fsdax") or why_not_built(machine, symbols)


def why_not_built(machine: Machine, symbols: tuple[str, ...]) -> str | None:
    """Which of the symbols the kernel lacks, as a reason; None where it has them all."""
    missing = [f"CONFIG_{symbol}" for symbol in symbols if not machine.kernel.has(symbol)]
    if not missing:
        return None
    return f"the kernel is built without {' and '.join(missing)}"


def why_no_kmem(machine: Machine) -> str | None:
    """Why no devdax device can be turned into RAM."""
    return why_not_built(machine, ("DEV_DAX", "DEV_DAX_KMEM"))


def why_no_kmem_state(machine: Machine) -> str | None:
    """Why a device that is RAM cannot be asked to give all of it up at once."""
    if machine.has_kmem_state:
        return None
    return f"Linux {machine.kernel.release} has no state of devices that are RAM"


def why_no_hmem(machine: Machine) -> str | None:
    """Why soft-reserved memory can be no dax device."""
    if machine.mmu in WITHOUT_EFI:
        return f"{machine.target.name}: soft-reserved memory is EFI's"
    return why_not_built(machine, ("EFI_SOFT_RESERVE", "DEV_DAX_HMEM"))


def why_no_soft_reserved(machine: Machine) -> str | None:
    """Why the guest can have no region of soft-reserved memory."""
    if machine.target.soft_reserved is not None:
        return why_no_hmem(machine)
    nothing = "neither firmware nor command line can set RAM aside"
    return why_no_hmem(machine) or f"{machine.target.name}: {nothing}"


def why_no_dax_device(machine: Machine) -> str | None:
    """Why no device-dax can be made of soft-reserved memory."""
    return why_no_soft_reserved(machine) or why_not_built(machine, ("DEV_DAX",))


def predict_features(state: GuestState, step: Features) -> Prediction:
    """What the guest shows of each feature, and why one is not there."""
    machine = state.machine
    reasons = {
        "pmem": why_no_pmem(machine) or why_no_device(machine),
        "fsdax": why_no_mode(machine, "fsdax") or why_no_device(machine),
        "devdax": why_no_mode(machine, "devdax") or why_no_device(machine),
        "kmem": why_no_kmem(machine),
        "hmem": why_no_hmem(machine),
        "gup_test": why_not_built(machine, ("GUP_TEST", "DEBUG_FS")),
    }
    expected = tuple(
        Expected(name, reason is None, RULES["feature.built"], because=reason or "built in")
        for name, reason in reasons.items()
    )
    return Prediction(step.kind, expected)


def why_no_device(machine: Machine) -> str | None:
    """Why a guest with every driver shows no region: nothing was put into it."""
    return None if machine.regions else "the layout has no pmem device"
