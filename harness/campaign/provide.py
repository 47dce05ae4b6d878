"""Kernel and guest image of a cell, each made once and found in the store afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.image import provide_base_image, provide_daxprobe, provide_overlay
from harness.kernel.build import BuiltKernel, provide_kernel
from harness.kernel.spec import KernelSpec, parse_kernel_spec
from harness.progress import Progress
from harness.store import Store
from harness.target import Target


@dataclass(frozen=True, slots=True)
class Provisions:
    """All that a guest boots from: kernel, packages, what was built with the kernel, daxprobe."""

    kernel: BuiltKernel
    base: Path
    overlay: Path
    daxprobe: Path

    @property
    def archives(self) -> tuple[Path, ...]:
        """The parts of an initrd, in the order in which they are unpacked."""
        return (self.daxprobe, self.overlay, self.base)


class Provider:
    """Provisions by target and configuration, remembered for the length of a run."""

    def __init__(self, store: Store, kernel: str, progress: Progress) -> None:
        self.store = store
        self.spec: KernelSpec = parse_kernel_spec(kernel)
        self.progress = progress
        self._known: dict[tuple[str, tuple[str, ...]], Provisions] = {}

    def provide(self, target: Target, config: tuple[str, ...] = ()) -> Provisions:
        """Build or find everything. Raises UserError, InfrastructureError, KernelFailure."""
        key = (target.name, config)
        if key not in self._known:
            self._known[key] = self._provide(target, config)
        return self._known[key]

    def _provide(self, target: Target, config: tuple[str, ...]) -> Provisions:
        fragments = (*target.kernel.fragments, *config)
        kernel = provide_kernel(self.spec, target, fragments, self.store, self.progress)
        return Provisions(
            kernel=kernel,
            base=provide_base_image(target, self.store, self.progress),
            overlay=provide_overlay(target, kernel, self.store, self.progress),
            daxprobe=provide_daxprobe(target, self.store),
        )
