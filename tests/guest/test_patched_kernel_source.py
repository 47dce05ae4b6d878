"""A real kernel tree takes a series; no guest is booted, but the source may be fetched."""

from __future__ import annotations

import difflib
import io
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.image.gup_test import build_gup_test
from harness.kernel.patched import patch_source
from harness.kernel.probes import probe_source
from harness.kernel.source import Source, provide_source
from harness.kernel.source_view import provide_view
from harness.kernel.spec import parse_kernel_spec
from harness.progress import Silence
from harness.series import Patch, load_series
from harness.store import Store
from harness.target import load_targets

GUP_TEST = "tools/testing/selftests/vm/gup_test.c"


@pytest.fixture(scope="module")
def base() -> Source:
    return provide_source(parse_kernel_spec("debian:6.1"), Store.default(), Silence())


def patch(base: Source, **edits: tuple[str, str]) -> tuple[Patch, ...]:
    """One patch that replaces words in files of the tree, named with __ for /."""
    text = ""
    for name, (old, new) in edits.items():
        path = name.replace("__", "/") + ".c"
        before = (base.path / path).read_text()
        assert old in before
        was, now = (t.splitlines(keepends=True) for t in (before, before.replace(old, new)))
        text += "".join(difflib.unified_diff(was, now, f"a/{path}", f"b/{path}"))
    return load_series("-", io.BytesIO(text.encode())).patches


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
    scratch = tmp_path / "gup_test"
    scratch.mkdir()
    program = build_gup_test(view, load_targets()["ppc64-hash"], scratch)
    assert b"patched\0" in program


def test_a_series_for_another_kernel_is_refused_with_its_hunk(base: Source) -> None:
    (fits,) = patch(base, drivers__dax__device=("int ", "long "))
    first = fits.diff.split(b"@@")[1].decode().strip()
    other = load_series("-", io.BytesIO(fits.diff.replace(b"\n ", b"\n other ")))
    with pytest.raises(UserError) as caught:
        patch_source(base, other.patches)
    assert f"drivers/dax/device.c, hunk 1 of {fits.diff.count(b'@@ -')} (@@ {first}" in str(
        caught.value
    )
