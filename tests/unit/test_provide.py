"""What a kernel is held to, where kernels are provided. Nothing is built here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.campaign import provide
from harness.campaign.provide import Needs, Provider
from harness.errors import KernelFailure
from harness.kernel.built import BuiltKernel
from harness.kernel.spec import DirectorySpec
from harness.progress import Silence
from harness.records import KernelFacts
from harness.series.patch import Patch
from harness.store import Store
from harness.target import load_targets

TARGET = load_targets()["ppc64-hash"]
PROBE = "dax_refcount_rework"
PATCH = Patch(1, "mm: undo it", "A U Thor <a@example.org>", None, b"", (), "v7.mbox:1")


def built(root: Path, **probes: bool) -> BuiltKernel:
    return BuiltKernel(
        spec="",
        key="key",
        release="6.1.192",
        image=root,
        vmlinux=root,
        system_map=root,
        config=root,
        modules_builtin=root,
        facts=KernelFacts((6, 1, 192), "6.1.192", {}, 64, probes),
        source=root,
        compiler="",
        opcode_fixup=None,
    )


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bool | None], None]:
    """The base is built with the probe's answer, or not at all; patched kernels answer no."""
    for name in ("provide_base_image", "provide_overlay", "provide_daxprobe"):
        monkeypatch.setattr(provide, name, lambda *_, **__: tmp_path)

    def answer(base: bool | None) -> None:
        def provide_kernel(*_: object, patches: tuple[Patch, ...]) -> BuiltKernel:
            if base is None and not patches:
                raise KernelFailure("x.c:1: error")
            return built(tmp_path, **{PROBE: bool(base) and not patches})

        monkeypatch.setattr(provide, "provide_kernel", provide_kernel)

    return answer


@pytest.mark.parametrize(("base", "held"), [(True, True), (False, False), (None, False)])
def test_a_patched_kernel_is_held_to_its_base(
    build: Callable[[bool | None], None], tmp_path: Path, base: bool | None, held: bool
) -> None:
    build(base)
    provider = Provider(Store(tmp_path), f"dir:{tmp_path}", Silence())
    facts = provider.provide(Needs(TARGET, patches=(PATCH,))).kernel.facts
    assert facts.probes == {PROBE: held}
    assert bool(facts.lost) == held


def test_a_tree_is_held_to_the_commit_that_was_good(
    build: Callable[[bool | None], None], tmp_path: Path
) -> None:
    build(False)
    good = tmp_path / "good"
    (good / "mm").mkdir(parents=True)
    (good / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 15\nSUBLEVEL = 0\n")
    (good / "mm/huge_memory.c").write_text("vmf_insert_folio_pmd")
    kernel = f"dir:{tmp_path}"
    alone = Provider(Store(tmp_path / "store"), kernel, Silence())
    assert alone.provide(Needs(TARGET)).kernel.facts.probes == {PROBE: False}
    provider = Provider(Store(tmp_path / "store"), kernel, Silence(), DirectorySpec(good))
    facts = provider.provide(Needs(TARGET)).kernel.facts
    assert facts.probes == {PROBE: True}
    assert facts.lost
