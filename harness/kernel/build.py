"""Kernels built once: from a source, a target and fragments to an image and its facts.

A kernel is stored under a digest of all that goes into it, so a second process, a second
run and a second target with the same kernel find it there. So is a patched one, under
what differs from its base; ``deltas.py`` tells how long it stays whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import InfrastructureError
from harness.kconfig import Request, render
from harness.kernel.build_output import copy_built
from harness.kernel.built import BuiltKernel, describe_built
from harness.kernel.configure import configure
from harness.kernel.deltas import KERNEL, tidy_soon, unfold_kernel
from harness.kernel.facts import dump_facts, read_facts
from harness.kernel.fragments import FRAGMENTS_DIR, check_needs, load_fragments
from harness.kernel.make import Make, Toolchain, find_toolchain, users_ccache
from harness.kernel.modules import build_twins, has_modules, keep_modules
from harness.kernel.own_objects import hold_own_objects
from harness.kernel.packed_objects import find_objects, pack_objects, unpack_objects
from harness.kernel.patched import PatchedSource
from harness.kernel.provide_patched import provide_patched
from harness.kernel.sandbox import why_not
from harness.kernel.spec import KernelSpec
from harness.kernel.work_area import hold_work_area
from harness.progress import Progress
from harness.series.patch import Patch
from harness.share import usable_cores
from harness.store import Store, digest
from harness.target import KernelBuild, Target

# To be counted up when the code keeps other files, or finds other facts, of one kernel.
_FORMAT = "1"

_KEPT = ("vmlinux", "System.map", "modules.builtin", "modules.builtin.modinfo")


def provide_kernel(
    spec: KernelSpec,
    target: Target,
    fragments: Sequence[str],
    store: Store,
    progress: Progress,
    jobs: int | None = None,
    fragments_dir: Path = FRAGMENTS_DIR,
    patches: Sequence[Patch] = (),
) -> BuiltKernel:
    """The kernel of a target, with the patches on it, built where nobody has built it yet.

    ``jobs`` is how many compilers run at a time, as many as this process has processors where
    it is not said. Raises UserError for a source or symbol that is not there, KernelFailure
    for a kernel that does not build, InfrastructureError for a host that cannot build it.
    """
    requests = load_fragments(fragments, fragments_dir)
    check_needs(requests, target)
    toolchain = find_toolchain(target)
    patched = provide_patched(spec, patches, store, progress)
    own = [name for name in fragments if name in target.kernel.fragments]
    more = len(own) < len(fragments)
    build = _Build(
        patched,
        target.kernel,
        requests,
        toolchain,
        jobs or usable_cores(),
        usual=load_fragments(own, fragments_dir) if more else requests,
    )
    entry = build.provide(store, progress)
    return describe_built(entry, build.key, spec, target, toolchain, patched, store)


def provide_config(
    spec: KernelSpec,
    target: Target,
    fragments: Sequence[str],
    store: Store,
    progress: Progress,
    wished: Sequence[str] = (),
    patches: Sequence[Patch] = (),
) -> Path:
    """The .config of a target's kernel as its own Kconfig resolves it; nothing is built.

    ``wished`` are fragments that need not take. Raises as :func:`provide_kernel` does.
    """
    requests = load_fragments(fragments)
    check_needs(requests, target)
    asked = {request.symbol for request in requests}
    more = tuple(wish for wish in load_fragments(wished) if wish.symbol not in asked)
    patched = provide_patched(spec, patches, store, progress)
    build = _Build(patched, target.kernel, requests, find_toolchain(target), 1, more)
    key = digest(build.key, render(more))
    entry = store.provide("config", key, lambda into: build.resolve(into, store, progress))
    return entry / "config"


@dataclass(frozen=True, slots=True)
class _Build:
    """All that goes into one kernel.

    ``wished`` need not take. ``usual`` is what the target's own kernel is configured with.
    """

    source: PatchedSource
    kernel: KernelBuild
    requests: tuple[Request, ...]
    toolchain: Toolchain
    jobs: int
    wished: tuple[Request, ...] = ()
    usual: tuple[Request, ...] = ()

    @property
    def key(self) -> str:
        parts = (self.source.identity, self._config, self.toolchain.version)
        return digest(_FORMAT, *parts, self.kernel.arch, self.kernel.image)

    @property
    def _base(self) -> _Build:
        """The same without patches."""
        return replace(self, source=PatchedSource(self.source.base, {}))

    @property
    def title(self) -> str:
        """What is built, for a person."""
        patched = " with patches" if self.source.files else ""
        return f"{self.kernel.arch} kernel {'.'.join(map(str, self.source.version))}{patched}"

    def provide(self, store: Store, progress: Progress) -> Path:
        """The entry of the kernel: found whole, made of its delta, or built."""

        def make(into: Path) -> None:
            if not unfold_kernel(store, self.key, into):
                self._build(into, store, progress)

        entry = store.provide(KERNEL, self.key, make)
        if self.source.files:
            tidy_soon(store, self.key, self._base.key, self.kernel.image)
        return entry

    def _build(self, into: Path, store: Store, progress: Progress) -> None:
        """Configure, build, and keep what is needed of it in ``into``."""
        # Outside of the entry, which a failed build takes with it.
        log = store.root / "logs" / f"kernel-{self.key[:16]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        with self._make(into, store, progress, log) as make:
            if self.source.files and (reason := why_not()):
                progress.line(f"patched kernels are built without a sandbox: {reason}")
            self._begin_with_usual(make, store)
            with progress.task(f"building {self.title}{self._how_much(make)}", "objects") as task:
                self._configure(make)
                modular = has_modules(self.requests)
                wanted = [self.kernel.image, "modules"] if modular else [self.kernel.image]
                make.run(wanted, jobs=self.jobs, task=task)
                known: dict[str, bool] = {}
                if modular:
                    build_twins(make, self.jobs)
                    known = keep_modules(make.objects, into)
                self._keep(make, into, known)
                self._keep_objects(make, store)
        shutil.move(log, into / "build.log")

    def resolve(self, into: Path, store: Store, progress: Progress) -> None:
        """Configure alone, and keep the .config in ``into``."""
        with self._make(into, store, progress, into / "config.log") as make:
            self._configure(make)
            copy_built(make.objects, ".config", into / "config")

    @property
    def _config(self) -> str:
        # Sorted: the order in which fragments are named makes no other kernel.
        return "".join(sorted(render(self.requests).splitlines(keepends=True)))

    @contextmanager
    def _make(self, into: Path, store: Store, progress: Progress, log: Path) -> Iterator[Make]:
        """make, in the source tree and the object tree to build in.

        What strangers' patches compile to does not get into the user's ccache.
        """
        if not self.source.files:
            with self._base_objects(into, store) as objects:
                yield Make(self.source.base.path, objects, self.toolchain, log, users_ccache())
            return
        begin = self._base._beginning(store)
        with hold_work_area(store, self.source.base, progress) as area:
            area.switch(self.source.files)
            with area.objects(self._objects_key, begin) as objects:
                yield Make(area.tree, objects, self.toolchain, log, area.ccache())

    @contextmanager
    def _base_objects(self, into: Path, store: Store) -> Iterator[Path]:
        """Where to build without patches: a stored source is built once, somebody's own again."""
        base = self.source.base
        if base.contents is not None:
            with hold_own_objects(store, base, base.contents, self._objects_key) as objects:
                yield objects
            return
        objects = into / "objects"
        objects.mkdir()
        yield objects
        shutil.rmtree(objects)

    @property
    def _objects_key(self) -> str:
        """Equal for what can be built in one object tree, one after the other."""
        return digest(self._config, self.toolchain.version, self.kernel.arch)[:24]

    def _begin_with_usual(self, make: Make, store: Store) -> None:
        """Of a base: give make the objects of the target's own kernel, where it has none.

        It does not make again what a configuration beyond that one leaves as it is.
        """
        if self.source.files or any(make.objects.iterdir()):
            return
        usual = replace(self, requests=self.usual)
        if (packed := find_objects(store, usual.key)) is not None:
            unpack_objects(packed, make.objects)

    def _how_much(self, make: Make) -> str:
        """What a patched kernel costs where nothing is there to build it on."""
        whole = self.source.files and not any(make.objects.iterdir())
        return ", all of it: no objects of its base are kept" if whole else ""

    def _keep_objects(self, make: Make, store: Store) -> None:
        """Of a stored base; those of somebody's own tree stay where they are."""
        if not self.source.files and self.source.base.contents is None:
            pack_objects(store, self.key, make.objects)

    def _beginning(self, store: Store) -> Path | None:
        """This base's objects, to build its first patched kernel on; None where there are none."""
        packed, base = find_objects(store, self.key), self.source.base
        if packed is not None or base.contents is None:
            return packed
        with hold_own_objects(store, base, base.contents, self._objects_key) as objects:
            return pack_objects(store, self.key, objects) if any(objects.iterdir()) else None

    def _configure(self, make: Make) -> None:
        configure(make, self.requests, self.wished, self.source, self.title)

    def _keep(self, make: Make, into: Path, known: Mapping[str, bool]) -> None:
        objects = make.objects
        image = self._image(objects).relative_to(objects)
        for path in (image, *map(Path, _KEPT)):
            if path.name not in _names(into):
                copy_built(objects, path, into / path.name)
        copy_built(objects, ".config", into / "config")
        facts = read_facts(make)
        facts = replace(facts, probes={**facts.probes, **known})
        (into / "facts.json").write_text(dump_facts(facts), encoding="utf-8")

    def _image(self, objects: Path) -> Path:
        """Where kbuild puts an image: ``vmlinux`` on top, others below arch/*/boot."""
        name = self.kernel.image
        found = [objects / name, *sorted(objects.glob(f"arch/*/boot/{name}"))]
        for path in found:
            if path.is_file():
                return path
        raise InfrastructureError(f"make {name} left no {name} in {objects}")


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}
