"""Kernel and guest image of a cell, each made once and found in the store afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.image import provide_base_image, provide_overlay
from harness.kernel.build import BuiltKernel, provide_kernel
from harness.kernel.spec import KernelSpec, parse_kernel_spec
from harness.progress import Progress
from harness.series import Patch
from harness.store import Store
from harness.target import Target


@dataclass(frozen=True, slots=True)
class Provisions:
    """All that a guest boots from: kernel, packages, and what was built with the kernel."""

    kernel: BuiltKernel
    base: Path
    overlay: Path


class Provider:
    """Provisions by target, configuration and patches, remembered for the length of a run."""

    def __init__(self, store: Store, kernel: str, progress: Progress) -> None:
        self.store = store
        self.spec: KernelSpec = parse_kernel_spec(kernel)
        self.progress = progress
        self._known: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Provisions] = {}

    def provide(
        self, target: Target, config: tuple[str, ...] = (), patches: Sequence[Patch] = ()
    ) -> Provisions:
        """Build or find everything. Raises UserError, InfrastructureError, KernelFailure."""
        key = (target.name, config, tuple(patch.digest for patch in patches))
        if key not in self._known:
            self._known[key] = self._provide(target, config, patches)
        return self._known[key]

    def _provide(
        self, target: Target, config: tuple[str, ...], patches: Sequence[Patch]
    ) -> Provisions:
        fragments = (*target.kernel.fragments, *config)
        kernel = provide_kernel(
            self.spec, target, fragments, self.store, self.progress, patches=patches
        )
        return Provisions(
            kernel=kernel,
            base=provide_base_image(target, self.store, self.progress),
            overlay=provide_overlay(target, kernel, self.store, self.progress),
        )
