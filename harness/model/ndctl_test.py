"""What ``ndctl-test`` must show: which of ndctl's own tests pass, and which find nothing to test.

Source: ndctl 81, test/. Its firmware-update.sh is not among them: it has the kernel suspend all
devices for a moment, those that the guest is reached by included, for which hibernation would
have to be configured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from harness.errors import UserError, nearest
from harness.model.availability import why_no_device
from harness.model.machine import GIB, Machine
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction
from harness.scenario.ndctl_steps import NdctlTest

Stage: TypeAlias = Literal["nfit_test", "cxl_test", "nvdimm", "legacy", "none"]
"""What a test is played on: devices that a module pretends, real ones, or RAM."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a test finds nothing to test: a part of what it says, and in the model's words."""

    says: str
    because: str


Skips: TypeAlias = Callable[[Machine], Skip | None]


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """One test of the suite: what it is played on, when it skips, and why it cannot be run."""

    on: Stage
    skips: Skips | None = None
    lacks: Callable[[Machine], str | None] | None = None


def _without_direct_io(machine: Machine) -> str | None:
    """The guest has no file system but tmpfs to write to (e88e0d366f9c, "tmpfs: direct I/O")."""
    if machine.kernel.version >= (6, 6, 0):
        return None
    return "tmpfs, where the test writes a file, takes no O_DIRECT before 6.6"


def _without_gigantic_pages(machine: Machine) -> str | None:
    """The test takes two, each of 1 GiB that nothing else has a page of (seen with 4 GiB)."""
    if machine.layout.ram_bytes >= 8 * GIB:
        return None
    return "the guest's RAM has no two free GiB that a huge page of 1 GiB each could be made of"


def _hugetlb_skips(machine: Machine) -> Skip | None:
    because = _without_direct_io(machine) or _without_gigantic_pages(machine)
    return Skip("test_dax_directio: failed at", because) if because else None


def _without_fio(_: Machine) -> Skip | None:
    return Skip("missing fio", "the guest has no fio, which brings 60 libraries along")


def _without_cxl_test(machine: Machine) -> Skip | None:
    if machine.kernel.probes.get("cxl_test"):
        return None
    because = "this kernel's cxl_test has no memory for DAX, or does not build"
    return Skip("Unable to find a victim region", because)


_NFIT_TEST = (
    "ack-shutdown-count-set",
    "btt-check.sh",
    "btt-errors.sh",
    "btt-pad-compat.sh",
    "clear.sh",
    "create.sh",
    "daxdev-errors.sh",
    "dsm-fail",
    "inject-error.sh",
    "inject-smart.sh",
    "label-compat.sh",
    "libndctl",
    "max_extent_ns",
    "monitor.sh",
    "multi-dax.sh",
    "nfit-security.sh",
    "pfn-meta-errors.sh",
    "pmem-errors.sh",
    "rescan-partitions.sh",
    "sector-mode.sh",
    "track-uuid.sh",
)
_NVDIMM = ("align.sh", "daxctl-devices.sh", "dm.sh", "pmem-ns", "sub-section.sh")
_LEGACY = (
    "dax-dev",
    "dax-ext4.sh",
    "dax-xfs.sh",
    "mmap.sh",
    "revoke-devmem",
)

TESTS: Mapping[str, SuiteTest] = MappingProxyType(
    {
        **dict.fromkeys(_NFIT_TEST, SuiteTest("nfit_test")),
        **dict.fromkeys(_NVDIMM, SuiteTest("nvdimm")),
        **dict.fromkeys(_LEGACY, SuiteTest("legacy")),
        "daxctl-create.sh": SuiteTest("cxl_test", _without_cxl_test),
        "device-dax-fio.sh": SuiteTest("legacy", _without_fio),
        "device-dax": SuiteTest("legacy", lacks=_without_direct_io),
        "hugetlb": SuiteTest("none", _hugetlb_skips),
    }
)


def predict_ndctl_test(state: GuestState, step: NdctlTest) -> Prediction:
    """An ``ndctl-test`` step. Raises UserError for a test that the model does not know."""
    test = TESTS.get(step.test)
    if test is None:
        raise UserError(
            f"the model knows no test {step.test!r} of ndctl's",
            field="test",
            hint=nearest(step.test, TESTS),
        )
    machine = state.machine
    lacking = why_no_suite(machine) or _why_no_stage(machine, step, test)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    skip = test.skips(machine) if test.skips else None
    if skip is None:
        return Prediction(step.kind, (Expected("outcome", "pass", RULES["suite.pass"]),))
    rule, why = RULES["suite.skip"], skip.because
    expected = (
        Expected("outcome", "skip", rule, because=why),
        Expected("reason", skip.says, rule, "contains", why),
    )
    return Prediction(step.kind, expected, skipped=f"{step.test}: {why}")


def why_no_suite(machine: Machine) -> str | None:
    """Why the guest can have none of ndctl's own tests."""
    if machine.mmu != "x86":
        return f"{machine.target.name}: nfit_test is built for x86_64 alone"
    if machine.kernel.config.get("LIBNVDIMM") != "m":
        return "no driver of this kernel is a module with a test twin: --config nfit-test"
    return None


def _why_no_stage(machine: Machine, step: NdctlTest, test: SuiteTest) -> str | None:
    if test.on == "nvdimm":
        return why_no_device(machine)
    if test.on == "legacy" and not step.legacy_pmem:
        return f"{step.test} wants persistent memory without labels: legacy_pmem: true"
    return test.lacks(machine) if test.lacks else None
