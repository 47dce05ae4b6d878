"""Kernel and guest image of a cell, each made once and found in the store afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

from harness.errors import InfrastructureError, KernelFailure
from harness.image import (
    EXTRA_PROGRAMS,
    provide_base_image,
    provide_daxprobe,
    provide_firmware,
    provide_init,
    provide_overlay,
)
from harness.kernel.build import provide_config, provide_kernel
from harness.kernel.built import BuiltKernel
from harness.kernel.facts import with_probes
from harness.kernel.held import hold_to_base
from harness.kernel.provide_patched import provide_patched
from harness.kernel.source import check_source, provide_source
from harness.kernel.spec import KernelSpec, parse_kernel_spec
from harness.progress import Progress
from harness.records import KernelFacts
from harness.scenario.expand import Cell
from harness.series.patch import Patch
from harness.store import Store
from harness.target import Target


@dataclass(frozen=True, slots=True)
class Provisions:
    """All that a guest boots from: kernel, packages, what was built with the kernel, programs.

    ``firmware`` is what takes the place of the machine's under TCG, where anything does.
    """

    kernel: BuiltKernel
    base: Path
    overlay: Path
    programs: tuple[Path, ...]
    firmware: Path | None = None

    @property
    def archives(self) -> tuple[Path, ...]:
        """The parts of an initrd, in the order in which they are unpacked."""
        return (*self.programs, self.overlay, self.base)

    @property
    def files(self) -> tuple[Path, ...]:
        """Each in an entry of the store that a guest cannot do without."""
        return (self.kernel.image, *self.archives, *([self.firmware] if self.firmware else ()))


@dataclass(frozen=True, slots=True)
class Needs:
    """What is to be provided: ``config`` and ``programs`` are beyond the target's own.

    ``config`` are names of fragments, ``programs`` names of EXTRA_PROGRAMS.
    """

    target: Target
    config: tuple[str, ...] = ()
    patches: tuple[Patch, ...] = ()
    programs: tuple[str, ...] = ()

    @classmethod
    def of(cls, cell: Cell, patches: Sequence[Patch] = ()) -> Needs:
        """What a cell's guest boots from."""
        return cls(cell.target, cell.config, tuple(patches), cell.programs)


class Provides(Protocol):
    """Whoever has provisions: :class:`Provider`, or one who was given them."""

    @property
    def store(self) -> Store:
        """Where they are."""
        ...

    @property
    def kernel_name(self) -> str:
        """The kernel as it was asked for."""
        ...

    def provide(self, needs: Needs) -> Provisions:
        """As :meth:`Provider.provide`."""
        ...

    def configure(self, cell: Cell, patches: Sequence[Patch]) -> Path:
        """As :meth:`Provider.configure`."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """Provisions of one chunk of cells, made by somebody else."""

    store: Store
    kernel_name: str
    provisions: Provisions

    def provide(self, needs: Needs) -> Provisions:
        del needs  # a chunk is for one set of them
        return self.provisions

    def configure(self, cell: Cell, patches: Sequence[Patch]) -> Path:
        """Raises InfrastructureError: a configuration is resolved where kernels are built."""
        raise InfrastructureError(f"{cell.id} is not for a worker, nor are {len(patches)} patches")


# A target's name, fragments beyond its own, and the digests of patches.
_Key: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...]]


class Provider:
    """Provisions by target, configuration and patches, remembered for the length of a run.

    As long as it lasts a kernel's name stands for one source, that which was there when it was
    first asked for: a branch may move on meanwhile, a mirror get another revision.

    ``good`` is a kernel that was judged good before, which this one is held to as a patched
    one is to its base. ``guest_root`` is an archive of the guests' root, in place of packages.
    ``pinned`` is what the name stood for when another process of the run first asked.
    """

    def __init__(
        self,
        store: Store,
        kernel: str,
        progress: Progress,
        good: KernelSpec | None = None,
        guest_root: Path | None = None,
        pinned: str = "",
    ) -> None:
        self.store: Store = Store(store.root, progress.line)
        self.spec: KernelSpec = parse_kernel_spec(kernel)
        self.progress = progress
        self.good = good
        self.guest_root = guest_root
        self._pinned: KernelSpec | None = replace(self.spec, pinned=pinned) if pinned else None
        self._known: dict[_Key, Provisions | KernelFailure] = {}

    @property
    def kernel_name(self) -> str:
        return str(self.spec)

    @property
    def pinned(self) -> str:
        """What the kernel's name stands for in this run, as far as that was looked at."""
        return self._pinned.pinned if self._pinned is not None else ""

    def check_kernel(self) -> None:
        """See that the kernel that was asked for is there, before anything waits for it.

        Raises as :func:`check_source` does.
        """
        self._one_source()

    def check(self, patches: Sequence[Patch] = ()) -> None:
        """Have the kernel's source, and see that patches go on it; nothing is built.

        Raises UserError, InfrastructureError.
        """
        patched = provide_patched(self._one_source(), patches, self.store, self.progress)
        self._pin(patched.base.identity)

    def provide(self, needs: Needs) -> Provisions:
        """Build or find everything. Raises UserError, InfrastructureError, KernelFailure.

        A program that the kernel has no use for is left out. A kernel that does not build is
        not built again for the next cell.
        """
        target, patches = needs.target, tuple(patch.digest for patch in needs.patches)
        key = (target.name, needs.config, patches)
        if key not in self._known:
            try:
                self._known[key] = self._provide(target, needs.config, needs.patches)
            except KernelFailure as exc:
                self._known[key] = exc
        found = self._known[key]
        if isinstance(found, KernelFailure):
            raise found
        wanted = (EXTRA_PROGRAMS[name] for name in needs.programs)
        extra = [
            program.provide(target, self.store, self.progress)
            for program in wanted
            if program.is_of_use(found.kernel.facts)
        ]
        return replace(found, programs=(*found.programs, *extra))

    def configure(self, cell: Cell, patches: Sequence[Patch]) -> Path:
        """The .config of a cell's kernel, which is not built. Raises as :meth:`provide` does."""
        fragments = (*cell.target.kernel.fragments, *cell.config)
        spec = self._one_source()
        return provide_config(
            spec, cell.target, fragments, self.store, self.progress, cell.wished, patches
        )

    def _one_source(self) -> KernelSpec:
        """The kernel that was asked for, pinned. Raises as :func:`check_source` does."""
        if self._pinned is None:
            self._pinned = check_source(self.spec, self.store)
        return self._pinned

    def _pin(self, identity: str) -> None:
        """Hold somebody's own tree or tarball to what was found there first."""
        spec = self._one_source()
        if not spec.pinned:
            self._pinned = replace(spec, pinned=identity)

    def _provide(
        self, target: Target, config: tuple[str, ...], patches: Sequence[Patch]
    ) -> Provisions:
        base = self._base_facts(target, config) if patches else None
        fragments = (*target.kernel.fragments, *config)
        kernel = provide_kernel(
            self._one_source(), target, fragments, self.store, self.progress, patches=patches
        )
        self._pin(kernel.base_identity)
        if self.good is not None:
            # Its source's answers only: for the rest it would have to be built.
            good = provide_source(self.good, self.store, self.progress)
            base = with_probes(kernel.facts, good.path)
        if base is not None:
            kernel = replace(kernel, facts=hold_to_base(kernel.facts, base))
        return Provisions(
            kernel=kernel,
            base=provide_base_image(target, self.store, self.progress, root=self.guest_root),
            overlay=provide_overlay(target, kernel, self.store, self.progress),
            programs=(provide_init(target, self.store), provide_daxprobe(target, self.store)),
            firmware=provide_firmware(target, self.store),
        )

    def _base_facts(self, target: Target, config: tuple[str, ...]) -> KernelFacts | None:
        """The facts of the kernel without patches; one that does not build has none."""
        try:
            return self.provide(Needs(target, config)).kernel.facts
        except KernelFailure:
            return None
