"""The model's face: step after step of a cell, and what each must show.

Each step's prediction lives with its topic; here is only which topic that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from harness.errors import UserError
from harness.model import complaints
from harness.model.availability import predict_features
from harness.model.churn import predict_churn
from harness.model.data import keeps_data, predict_read_back, predict_write_read
from harness.model.dax import (
    predict_create_device,
    predict_dax_regions,
    predict_destroy_device,
    predict_resize_device,
)
from harness.model.file_io import predict_file_io
from harness.model.filesystem import predict_filesystem
from harness.model.gates import predict_kconfig
from harness.model.gup import predict_gup
from harness.model.identity import predict_guest, predict_memory_model
from harness.model.kmem import predict_reconfigure
from harness.model.kmem_state import predict_kmem_state
from harness.model.life import predict_take_away
from harness.model.machine import Machine
from harness.model.mappings import predict_mapping
from harness.model.namespace import predict_create, predict_destroy
from harness.model.ndctl_test import predict_ndctl_test
from harness.model.power import predict_power_cycle
from harness.model.rdma import predict_rdma
from harness.model.read_only import predict_read_only
from harness.model.regions import predict_regions
from harness.model.state import GuestState
from harness.records import Prediction
from harness.scenario.steps import (
    Churn,
    CreateDevice,
    CreateNamespace,
    DaxRegions,
    DestroyDevice,
    DestroyNamespaces,
    Fault,
    Features,
    FileIo,
    Filesystem,
    GupTest,
    HwPoison,
    Kconfig,
    KmemState,
    MemoryModel,
    Mmap,
    NdctlTest,
    PageMetadata,
    PowerCycle,
    RdmaRegister,
    ReadBack,
    ReadOnly,
    ReconfigureDevice,
    Regions,
    ResizeDevice,
    Step,
    TakeAway,
    WriteRead,
)

Predictor: TypeAlias = Callable[[GuestState, Any], Prediction]

PREDICTORS: Mapping[type[Step], Predictor] = MappingProxyType(
    {
        Kconfig: predict_kconfig,
        Features: predict_features,
        MemoryModel: predict_memory_model,
        Regions: predict_regions,
        CreateNamespace: predict_create,
        Churn: predict_churn,
        DestroyNamespaces: predict_destroy,
        GupTest: predict_gup,
        Filesystem: predict_filesystem,
        WriteRead: predict_write_read,
        ReadBack: predict_read_back,
        FileIo: predict_file_io,
        ReconfigureDevice: predict_reconfigure,
        KmemState: predict_kmem_state,
        RdmaRegister: predict_rdma,
        NdctlTest: predict_ndctl_test,
        **dict.fromkeys((Fault, Mmap, PageMetadata, HwPoison), predict_mapping),
        PowerCycle: predict_power_cycle,
        TakeAway: predict_take_away,
        ReadOnly: predict_read_only,
        DaxRegions: predict_dax_regions,
        CreateDevice: predict_create_device,
        ResizeDevice: predict_resize_device,
        DestroyDevice: predict_destroy_device,
    }
)


class Model:
    """Predicts the steps of one cell in their order, in one guest.

    ``predict`` moves the model on: namespaces take space, file systems stay mounted.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._state = GuestState(machine)

    def unsupported(self, steps: Iterable[Step]) -> str | None:
        """Why the guest cannot have what some step needs, told before it boots; else None.

        Leaves the model as it is. Raises UserError as ``predict`` does.
        """
        return next((reason for reason in self.reasons(steps) if reason is not None), None)

    def reasons(self, steps: Iterable[Step]) -> Iterator[str | None]:
        """As :meth:`unsupported`, step by step: an error is that of the step which comes next."""
        fresh = Model(self.machine)
        return (fresh.predict(step).unsupported for step in steps)

    def guest(self) -> Prediction:
        """What the booted guest must show before any step: it is what was asked for."""
        return predict_guest(self.machine)

    @property
    def can_be_tidied(self) -> bool:
        """Whether what the steps so far left goes, and goes without the kernel's complaining.

        A seed device's alignment does not go, nor RAM that the kernel may have for itself.
        """
        regions = self._state.regions
        devices = (d for region in self._state.dax_regions for d in region.devices.values())
        given = (*(region.ram for region in regions), *(device.ram for device in devices))
        if any(ram and not ram.movable for ram in given):
            return False
        return not any(
            r.seed_aligns or complaints.of_destroying(self.machine, r.namespaces) for r in regions
        )

    def predict(self, step: Step) -> Prediction:
        """What this step must show after those before it.

        Raises UserError for a step that no guest could do: a region that the layout does
        not have, more data than the device holds.
        """
        predictor = PREDICTORS.get(type(step))
        if predictor is None:
            raise UserError(f"the model knows no step {step.kind!r}")
        if not keeps_data(step):
            self._state.forget_data()
        return predictor(self._state, step)
