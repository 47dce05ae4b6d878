"""The step that runs ndctl's own tests.

Like those in ``steps.py``, which lists it among all others.
"""

from __future__ import annotations

from typing import ClassVar

from harness.scenario.step import Step


class NdctlTest(Step):
    """Run one test of ndctl's own suite, as built of Debian's source package of ndctl.

    ``test`` is its name in ndctl's ``test/meson.build``. The kernel must be of the
    configuration ``nfit-test``. ``legacy_pmem`` has it take RAM for persistent memory without
    labels, from 6G to 10G (``memmap=4G!6G``): the layout has ``ram: 8G``, and no device.

    Shows ``outcome``: ``pass``, ``skip``, or how it failed with its last lines; and
    ``reason``, in the words of a test that skips.
    """

    kind: ClassVar[str] = "ndctl-test"
    programs: ClassVar[tuple[str, ...]] = ("ndctl-suite",)
    test: str
    legacy_pmem: bool = False

    @property
    def boot_arguments(self) -> tuple[str, ...]:
        return ("memmap=4G!6G",) if self.legacy_pmem else ()


NDCTL_STEPS: tuple[type[Step], ...] = (NdctlTest,)
