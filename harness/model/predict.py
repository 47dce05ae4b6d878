"""The model's face: step after step of a cell, and what each must show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.errors import UserError
from harness.model import availability, vmemmap
from harness.model.filesystem import Mounted, expect_filesystem, expect_write_read, mount
from harness.model.gup import expect_gup
from harness.model.machine import Machine
from harness.model.mappings import predict_mapping
from harness.model.namespace import Namespace, expect_created, expect_refused, place_namespace
from harness.model.ndctl import Refusal
from harness.model.rules import RULES
from harness.records import Expected, PmemDevice, Prediction
from harness.scenario.steps import (
    CreateNamespace,
    DestroyNamespaces,
    Fault,
    Filesystem,
    GupTest,
    HwPoison,
    Mmap,
    PageMetadata,
    Regions,
    Step,
    WriteRead,
)
from harness.units import format_size


@dataclass(slots=True)
class _Region:
    """What the steps so far left in one region; namespaces lie from its start on."""

    device: PmemDevice
    namespaces: list[Namespace] = field(default_factory=list)
    files: Mounted | None = None

    @property
    def used_bytes(self) -> int:
        return sum(namespace.raw_bytes for namespace in self.namespaces)

    @property
    def devdax(self) -> Namespace | None:
        """The devdax namespace made last."""
        return next((n for n in reversed(self.namespaces) if n.mode == "devdax"), None)

    @property
    def block(self) -> Namespace | None:
        """The namespace with a block device made last."""
        return next((n for n in reversed(self.namespaces) if n.mode != "devdax"), None)


class Model:
    """Predicts the steps of one cell in their order, in one guest.

    ``predict`` moves the model on: namespaces take space, file systems stay mounted.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._regions = tuple(_Region(device) for device in machine.regions)

    def unsupported(self, steps: Iterable[Step]) -> str | None:
        """Why the guest cannot have what some step needs, told before it boots; else None.

        Leaves the model as it is. Raises UserError as ``predict`` does.
        """
        fresh = Model(self.machine)
        reasons = (fresh.predict(step).unsupported for step in steps)
        return next((reason for reason in reasons if reason is not None), None)

    def guest(self) -> Prediction:
        """What the booted guest must show before any step: it is what was asked for."""
        machine = self.machine
        expected = [
            Expected("page_size", machine.page, RULES["guest.page-size"]),
            Expected("release", machine.kernel.release, RULES["guest.release"]),
        ]
        pmd_size = machine.pmd if machine.has_huge_pages else 0
        expected.append(Expected("pmd_size", pmd_size, RULES["guest.pmd-size"]))
        cpuinfo = machine.target.mmu.cpuinfo
        if cpuinfo is not None:
            rule = RULES["guest.mmu"]
            expected.append(Expected("cpuinfo_mmu", cpuinfo, rule, "contains"))
        return Prediction("guest", tuple(expected))

    def predict(self, step: Step) -> Prediction:
        """What this step must show after those before it.

        Raises UserError for a step that no guest could do: a region that the layout does
        not have, more data than the device holds.
        """
        match step:
            case Regions():
                return self._predict_regions(step)
            case CreateNamespace():
                return self._predict_create(step)
            case DestroyNamespaces():
                return self._predict_destroy(step)
            case GupTest():
                return self._predict_gup(step)
            case Filesystem():
                return self._predict_filesystem(step)
            case WriteRead():
                return self._predict_write_read(step)
            case Fault() | Mmap() | PageMetadata() | HwPoison():
                return predict_mapping(self.machine, self._region, step)
        raise UserError(f"the model knows no step {step.kind!r}")

    def _region(self, index: int) -> _Region:
        self.machine.region(index)
        return self._regions[index]

    def _predict_regions(self, step: Regions) -> Prediction:
        lacking = availability.why_no_pmem(self.machine)
        if lacking is not None:
            none = Expected("regions", 0, RULES["pmem.none"], because=lacking)
            return Prediction(step.kind, (none,))
        count = Expected("regions", len(self._regions), RULES["region.count"])
        expected = [count]
        for index, region in enumerate(self._regions):
            expected += self._expect_region(f"region{index}", region)
        return Prediction(step.kind, tuple(expected))

    def _expect_region(self, name: str, region: _Region) -> list[Expected]:
        machine, device = self.machine, region.device
        expected = [
            Expected(f"{name}.size_bytes", device.size_bytes, RULES["region.place"]),
            Expected(f"{name}.start", device.start, RULES["region.place"]),
            self._expect_available(f"{name}.available_bytes", region),
        ]
        if availability.why_no_mode(machine, "devdax") is None:
            listed = " ".join(map(str, machine.supported_alignments))
            rule = RULES["align.supported"]
            expected.append(Expected(f"{name}.supported_alignments", listed, rule))
        return expected

    def _expect_available(self, name: str, region: _Region) -> Expected:
        free = self.machine.allocatable(region.device) - region.used_bytes
        unit = self.machine.region_align(region.device)
        why = f"{region.device.size_bytes:#x} in units of {unit:#x}, {region.used_bytes:#x} used"
        return Expected(name, free, RULES["region.available"], because=why)

    def _predict_create(self, step: CreateNamespace) -> Prediction:
        machine = self.machine
        lacking = availability.why_no_mode(machine, step.mode)
        if lacking is not None:
            return Prediction(step.kind, (), lacking)
        region = self._region(step.region)
        outcome = place_namespace(machine, region.device, region.used_bytes, step)
        if isinstance(outcome, Refusal):
            return Prediction(step.kind, expect_refused(outcome))
        lacking = self._too_little_ram(outcome)
        if lacking is not None:
            return Prediction(step.kind, (), lacking)
        region.namespaces.append(outcome)
        return Prediction(step.kind, expect_created(machine, outcome))

    def _too_little_ram(self, namespace: Namespace) -> str | None:
        """Why struct pages of a namespace cannot live in RAM; see rule vmemmap.ram."""
        if namespace.info is None or namespace.map != "mem":
            return None
        align = namespace.align if namespace.mode == "devdax" else self.machine.page
        raw, cut = namespace.raw_bytes, namespace.info.end_trunc
        needed = vmemmap.ram_bytes(self.machine, raw, cut, align, "mem")
        if needed <= self.machine.layout.ram_bytes:
            return None
        ram = format_size(self.machine.layout.ram_bytes)
        why = f"struct pages would take {needed:#x} bytes of RAM, the guest has {ram}"
        return f"{why} ({RULES['vmemmap.ram'].id})"

    def _predict_destroy(self, step: DestroyNamespaces) -> Prediction:
        lacking = availability.why_no_pmem(self.machine)
        if lacking is not None:
            return Prediction(step.kind, (), lacking)
        region = self._region(step.region)
        region.namespaces.clear()
        region.files = None
        rule = RULES["ns.destroyed"]
        expected = (
            Expected("outcome", "destroyed", rule),
            Expected("namespaces_left", 0, rule),
            self._expect_available("available_bytes", region),
        )
        return Prediction(step.kind, expected)

    def _predict_gup(self, step: GupTest) -> Prediction:
        lacking = availability.why_no_gup(self.machine, step)
        if lacking is not None:
            return Prediction(step.kind, (), lacking)
        devdax, files = None, None
        if step.memory in ("devdax", "fsdax"):
            region = self._region(step.region)
            devdax, files = region.devdax, region.files
        return Prediction(step.kind, expect_gup(self.machine, step, devdax, files))

    def _predict_filesystem(self, step: Filesystem) -> Prediction:
        lacking = availability.why_no_filesystem(self.machine, step)
        if lacking is not None:
            return Prediction(step.kind, (), lacking)
        region = self._region(step.region)
        outcome = mount(region.block, step)
        region.files = outcome if isinstance(outcome, Mounted) else None
        return Prediction(step.kind, expect_filesystem(self.machine, step, outcome))

    def _predict_write_read(self, step: WriteRead) -> Prediction:
        lacking = availability.why_no_mode(self.machine, "raw")
        if lacking is not None:
            return Prediction(step.kind, (), lacking)
        device = self._region(step.region).block
        if device is None:
            message = f"write-read: region {step.region} has no block device at this point"
            raise UserError(message, field="region", hint="a namespace of mode raw before it")
        return Prediction(step.kind, expect_write_read(device, step))
