"""What each step of a scenario runs in the guest, and the Observation it makes of that.

The names of the values are those in the docstrings of ``harness/scenario/steps.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.churn import churn
from harness.guest.steps.context import StepContext
from harness.guest.steps.data import read_back, write_and_read
from harness.guest.steps.dax import (
    create_device,
    destroy_device,
    resize_device,
    show_dax_regions,
)
from harness.guest.steps.features import show_features
from harness.guest.steps.file_io import look_at_files
from harness.guest.steps.filesystem import make_filesystem
from harness.guest.steps.gup import run_gup_test
from harness.guest.steps.identity import identify_guest
from harness.guest.steps.kmem import reconfigure_device, set_kmem_state
from harness.guest.steps.life import take_away
from harness.guest.steps.mapping import fault, live
from harness.guest.steps.memory import show_memory_model
from harness.guest.steps.namespaces import create_namespace
from harness.guest.steps.ndctl_test import run_ndctl_test
from harness.guest.steps.page_metadata import dump_pages
from harness.guest.steps.poison import poison
from harness.guest.steps.power import power_cycle
from harness.guest.steps.rdma import register
from harness.guest.steps.read_only import turn_read_only
from harness.guest.steps.regions import check_regions, destroy_namespaces, show_regions
from harness.guest.steps.tidy import Housekeeping
from harness.records import Observation
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

__all__ = [
    "RUNNERS",
    "Housekeeping",
    "StepContext",
    "check_regions",
    "identify_guest",
    "run_step",
]

RUNNERS: dict[type[Step], Callable[[Any, Shell, StepContext], Observation]] = {
    Features: show_features,
    MemoryModel: show_memory_model,
    Regions: show_regions,
    CreateNamespace: create_namespace,
    Churn: churn,
    DestroyNamespaces: destroy_namespaces,
    GupTest: run_gup_test,
    Filesystem: make_filesystem,
    WriteRead: write_and_read,
    ReadBack: read_back,
    FileIo: look_at_files,
    ReconfigureDevice: reconfigure_device,
    KmemState: set_kmem_state,
    Fault: fault,
    Mmap: live,
    PageMetadata: dump_pages,
    HwPoison: poison,
    PowerCycle: power_cycle,
    TakeAway: take_away,
    ReadOnly: turn_read_only,
    RdmaRegister: register,
    NdctlTest: run_ndctl_test,
    DaxRegions: show_dax_regions,
    CreateDevice: create_device,
    ResizeDevice: resize_device,
    DestroyDevice: destroy_device,
}


def run_step(step: Step, shell: Shell, context: StepContext) -> Observation:
    """Do one step in the guest. A step that is refused, or whose tool dies, is observed.

    Raises InfrastructureError for what the guest lacks or garbles, and what ``Shell.run``
    raises for a kernel that reports or hangs.
    """
    runner = RUNNERS.get(type(step))
    if runner is None:
        raise InfrastructureError(f"no guest step for {step.kind!r}")
    return runner(step, shell, context)
