"""Kernel and guest image of a cell, each made once and found in the store afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.errors import KernelFailure
from harness.image import provide_base_image, provide_daxprobe, provide_overlay
from harness.kernel.build import BuiltKernel, provide_kernel
from harness.kernel.spec import KernelSpec, parse_kernel_spec
from harness.progress import Progress
from harness.series import Patch
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


# A target's name, fragments beyond its own, and the digests of patches.
_Key: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...]]


class Provider:
    """Provisions by target, configuration and patches, remembered for the length of a run."""

    def __init__(self, store: Store, kernel: str, progress: Progress) -> None:
        self.store = Store(store.root, progress.line)
        self.spec: KernelSpec = parse_kernel_spec(kernel)
        self.progress = progress
        self._known: dict[_Key, Provisions | KernelFailure] = {}

    def provide(
        self, target: Target, config: tuple[str, ...] = (), patches: Sequence[Patch] = ()
    ) -> Provisions:
        """Build or find everything. Raises UserError, InfrastructureError, KernelFailure.

        A kernel that does not build is not built again for the next cell.
        """
        key = (target.name, config, tuple(patch.digest for patch in patches))
        if key not in self._known:
            try:
                self._known[key] = self._provide(target, config, patches)
            except KernelFailure as exc:
                self._known[key] = exc
        found = self._known[key]
        if isinstance(found, KernelFailure):
            raise found
        return found

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
            daxprobe=provide_daxprobe(target, self.store),
        )
