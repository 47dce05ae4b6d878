"""A kernel as the store has it: where its files are, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.kernel.facts import load_facts, with_probes
from harness.kernel.make import Toolchain
from harness.kernel.patched import PatchedSource
from harness.kernel.source_view import provide_view
from harness.kernel.spec import KernelSpec
from harness.records import KernelFacts
from harness.store import Store
from harness.target import Target


@dataclass(frozen=True, slots=True)
class BuiltKernel:
    """A kernel that can be booted.

    ``key`` is equal for kernels that are built of the same; ``image`` is what QEMU loads,
    ``vmlinux`` the same kernel with its symbols. ``modules_builtin`` has its ``.modinfo``
    beside it, and the folder ``modules`` where the kernel has loadable ones. ``opcode_fixup``
    names what the image needs before TCG can run it. ``linked`` is the tree that ``source``
    leads to by links; ``revision`` and ``base_identity`` are of its Source, without patches.
    """

    spec: str
    key: str
    release: str
    image: Path
    vmlinux: Path
    system_map: Path
    config: Path
    modules_builtin: Path
    facts: KernelFacts
    source: Path
    compiler: str
    opcode_fixup: str | None
    linked: Path | None = None
    revision: str = ""
    base_identity: str = ""


def describe_built(
    entry: Path,
    key: str,
    spec: KernelSpec,
    target: Target,
    toolchain: Toolchain,
    patched: PatchedSource,
    store: Store,
) -> BuiltKernel:
    """The kernel of an entry of the store. Raises what ``provide_view`` raises."""
    source = provide_view(patched, store)
    built = load_facts((entry / "facts.json").read_text(encoding="utf-8"))
    return BuiltKernel(
        spec=str(spec),
        key=key,
        release=built.release,
        image=entry / target.kernel.image,
        vmlinux=entry / "vmlinux",
        system_map=entry / "System.map",
        config=entry / "config",
        modules_builtin=entry / "modules.builtin",
        facts=with_probes(built, source),
        source=source,
        compiler=toolchain.version,
        opcode_fixup=target.kernel.opcode_fixup,
        linked=patched.base.path,
        revision=patched.base.revision,
        base_identity=patched.base.identity,
    )
