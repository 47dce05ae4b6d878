"""A real kernel tree takes a series; no guest is booted, but the source may be fetched."""

from __future__ import annotations

import difflib
import io
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.image.gup_test import build_gup_test
from harness.kernel.facts import with_probes
from harness.kernel.held import hold_to_base
from harness.kernel.patched import patch_source
from harness.kernel.probes import probe_source
from harness.kernel.source import Source, provide_source
from harness.kernel.source_view import provide_view
from harness.kernel.spec import parse_kernel_spec
from harness.progress import Silence
from harness.records import KernelFacts
from harness.series.load import load_series
from harness.series.patch import Patch
from harness.store import Store
from harness.target import load_targets
from tests.support.regressions import regression_patch

GUP_TEST = "tools/testing/selftests/vm/gup_test.c"


@pytest.fixture(scope="module")
def base() -> Source:
    return provide_source(parse_kernel_spec("debian:6.1"), Store.default(), Silence())


def patch(base: Source, **edits: tuple[str, str]) -> tuple[Patch, ...]:
    """One patch that replaces words in files of the tree, C unless they are a Makefile.

    They are named with __ for /.
    """
    text = ""
    for name, (old, new) in edits.items():
        path = name.replace("__", "/") + ("" if name.endswith("Makefile") else ".c")
        before = (base.path / path).read_text()
        assert old in before
        was, now = (t.splitlines(keepends=True) for t in (before, before.replace(old, new)))
        text += "".join(difflib.unified_diff(was, now, f"a/{path}", f"b/{path}"))
    return load_series("-", io.BytesIO(text.encode())).patches


def gup_test_of(base: Source, view: Path, scratch: Path) -> bytes:
    scratch.mkdir()
    return build_gup_test(view, load_targets()["ppc64-hash"], scratch, linked=base.path)


def test_programs_and_probes_see_the_patched_tree(base: Source, tmp_path: Path) -> None:
    patches = patch(
        base,
        tools__testing__selftests__vm__gup_test=("Unknown command", "patched"),
        drivers__nvdimm__pfn_devs=(
            "\tif (offset >= size) {",
            "\tif (offset >= size - end_trunc) {",
        ),
    )
    patched = patch_source(base, patches)
    assert set(patched.files) == {GUP_TEST, "drivers/nvdimm/pfn_devs.c"}
    view = provide_view(patched, Store(tmp_path / "store"))
    assert probe_source(base.path)["namespace_end_trunc_checked"] is False
    assert probe_source(view)["namespace_end_trunc_checked"] is True
    assert b"patched\0" in gup_test_of(base, view, tmp_path / "scratch")


def test_headers_for_its_helpers_are_made_of_a_patched_tree(base: Source, tmp_path: Path) -> None:
    """As kernels from 6.3 on need them; a tree of links, read by make in its sandbox."""
    patches = patch(
        base,
        tools__testing__selftests__vm__gup_test=("Unknown command", "patched"),
        tools__testing__selftests__vm__Makefile=(
            "$(OUTPUT)/khugepaged: vm_util.c",
            "$(OUTPUT)/gup_test: vm_util.c",
        ),
    )
    view = provide_view(patch_source(base, patches), Store(tmp_path / "store"))
    assert b"patched\0" in gup_test_of(base, view, tmp_path / "scratch")
    assert (tmp_path / "scratch/usr/include/linux/fs.h").is_file()


def test_the_optimisation_without_its_gate_is_told_on(base: Source, tmp_path: Path) -> None:
    """What the model would predict of series/hash-vmemmap.patch alone is the crash's cause."""
    patches = load_series(str(regression_patch("hash-vmemmap"))).patches
    view = provide_view(patch_source(base, patches), Store(tmp_path / "store"))
    blank = KernelFacts((6, 1, 192), "6.1.192", {}, 64)
    gate = "vmemmap_optimize_checks_radix"
    own, before = with_probes(blank, view), with_probes(blank, base.path)
    assert (own.probes[gate], before.probes[gate]) == (False, True)
    held = hold_to_base(own, before)
    assert held.probes == before.probes
    assert [one.partition(":")[0] for one in held.lost] == [gate]


def test_a_series_for_another_kernel_is_refused_with_its_hunk(base: Source) -> None:
    (fits,) = patch(base, drivers__dax__device=("int ", "long "))
    first = fits.diff.split(b"@@")[1].decode().strip()
    other = load_series("-", io.BytesIO(fits.diff.replace(b"\n ", b"\n other ")))
    with pytest.raises(UserError) as caught:
        patch_source(base, other.patches)
    assert f"drivers/dax/device.c, hunk 1 of {fits.diff.count(b'@@ -')} (@@ {first}" in str(
        caught.value
    )
