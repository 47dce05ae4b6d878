"""What a kernel is held to, where kernels are provided. Nothing is built here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.apt.private import Candidate
from harness.campaign import provide
from harness.campaign.provide import Needs, Provider
from harness.errors import KernelFailure, UserError
from harness.kernel.built import BuiltKernel
from harness.kernel.provide_patched import provide_patched
from harness.kernel.spec import DirectorySpec, KernelSpec
from harness.progress import Silence
from harness.records import KernelFacts
from harness.series.patch import Patch
from harness.store import Store
from harness.target import Target, load_targets
from tests.support.git import git

TARGET = load_targets()["ppc64-hash"]
PROBE = "dax_refcount_rework"
MAKEFILE = "VERSION = 6\nPATCHLEVEL = 15\nSUBLEVEL = 0\n"
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
    (tmp_path / "Makefile").write_text(MAKEFILE)

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
    (good / "Makefile").write_text(MAKEFILE)
    (good / "mm/huge_memory.c").write_text("vmf_insert_folio_pmd")
    kernel = f"dir:{tmp_path}"
    alone = Provider(Store(tmp_path / "store"), kernel, Silence())
    assert alone.provide(Needs(TARGET)).kernel.facts.probes == {PROBE: False}
    provider = Provider(Store(tmp_path / "store"), kernel, Silence(), DirectorySpec(good))
    facts = provider.provide(Needs(TARGET)).kernel.facts
    assert facts.probes == {PROBE: True}
    assert facts.lost


EDIT = Patch(
    1,
    "mm: edit b.c",
    "A U Thor <a@example.org>",
    None,
    b"diff --git a/b.c b/b.c\n--- a/b.c\n+++ b/b.c\n@@ -1 +1 @@\n-x\n+y\n",
    ("b.c",),
    "v7.mbox:1",
)


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    """A repository with one commit."""
    root = tmp_path / "linux"
    root.mkdir()
    for name, text in (("Makefile", MAKEFILE), ("a.c", "one\n"), ("b.c", "x\n")):
        (root / name).write_text(text)
    git(root, "init", "-q", "-b", "topic")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "one")
    return root


@pytest.fixture
def sources(
    build: Callable[[bool | None], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[tuple[str, str]]:
    """The name and the identity of the source that each kernel is built of."""
    build(True)
    seen: list[tuple[str, str]] = []

    def provide_kernel(
        spec: KernelSpec,
        target: Target,
        fragments: tuple[str, ...],
        store: Store,
        progress: Silence,
        patches: tuple[Patch, ...],
    ) -> BuiltKernel:
        del target, fragments
        base = provide_patched(spec, patches, store, progress).base
        seen.append((str(spec), base.identity))
        return replace(built(tmp_path), base_identity=base.identity)

    monkeypatch.setattr(provide, "provide_kernel", provide_kernel)
    return seen


@pytest.mark.parametrize("first", ["check_kernel", "check", "provide"])
def test_a_branch_that_moves_on_is_one_commit_for_the_length_of_a_run(
    linux: Path, sources: list[tuple[str, str]], tmp_path: Path, first: str
) -> None:
    name = f"git:{linux}@topic"
    provider = Provider(Store(tmp_path / "store"), name, Silence())
    if first != "provide":
        getattr(provider, first)()
    else:
        provider.provide(Needs(TARGET))
    (linux / "a.c").write_text("two\n")
    git(linux, "commit", "-q", "-a", "-m", "two")
    provider.provide(Needs(TARGET, patches=(EDIT,)))
    assert len(set(sources)) == 1
    assert sources[0] == (name, f"git {git(linux, 'rev-parse', 'HEAD~1').strip()}")


@pytest.mark.parametrize("first", ["check", "provide"])
def test_a_directory_that_is_edited_in_the_midst_of_a_run_ends_it(
    linux: Path, sources: list[tuple[str, str]], tmp_path: Path, first: str
) -> None:
    provider = Provider(Store(tmp_path / "store"), f"dir:{linux}", Silence())
    if first == "check":
        provider.check((EDIT,))
    else:
        provider.provide(Needs(TARGET))
    (linux / "a.c").write_text("two\n")
    with pytest.raises(UserError, match="linux was changed while a kernel was being built of it"):
        provider.provide(Needs(TARGET, patches=(EDIT,)))
    assert len(set(sources)) < 2


def test_a_mirror_that_moves_on_gives_one_revision_for_the_length_of_a_run(
    sources: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mirror:
        newest = "6.12.94-1"

        def candidates(self, package: str) -> tuple[Candidate, ...]:
            del package
            return (Candidate(self.newest, "sid"),)

    def unpack(into: Path) -> None:
        (into / "Makefile").write_text(MAKEFILE)
        (into / "b.c").write_text("x\n")

    mirror, store = Mirror(), Store(tmp_path / "store")
    monkeypatch.setattr("harness.kernel.source._apt_for", lambda *_: mirror)
    for revision in ("6.12.94-1", "6.12.117-1"):
        store.provide("source", f"linux-source-6.12_{revision}", unpack)
    provider = Provider(store, "debian:6.12", Silence())
    provider.provide(Needs(TARGET))
    mirror.newest = "6.12.117-1"
    provider.provide(Needs(TARGET, patches=(EDIT,)))
    assert set(sources) == {("debian:6.12", "debian linux-source-6.12=6.12.94-1")}
