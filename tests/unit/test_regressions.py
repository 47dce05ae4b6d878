"""The patches of series/: complete, of one form, and each with its line in the document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.harmless import LEAVES
from tests.support.regressions import CAUGHT_BY, SERIES, regression_patch, regressions

PATCHES = sorted(SERIES.rglob("*.patch"))
DOCUMENT = SERIES.parent / "docs/regressions.md"


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: str(path.relative_to(SERIES)))
def test_patch_is_one_commit_that_owns_up(patch: Path) -> None:
    text = patch.read_text(encoding="utf-8")
    assert text.startswith("From 0000000000000000000000000000000000000000 ")
    assert text.count("\nFrom: daxhound <daxhound@example.invalid>\n") == 1
    assert len(re.findall(r"^Subject: \[PATCH\] \S", text, re.MULTILINE)) == 1
    message = text.partition("\n---\n")[0]
    assert "\nRegression: " in message
    assert max(map(len, message.splitlines())) <= 80


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: str(path.relative_to(SERIES)))
def test_patch_can_be_hidden_among_harmless_ones(patch: Path) -> None:
    text = patch.read_text(encoding="utf-8")
    files = re.findall(r"^diff --git a/(\S+) b/\1$", text, re.MULTILINE)
    assert files
    assert not set(files) & set(LEAVES)


def test_every_regression_has_its_line_in_the_document() -> None:
    named = re.findall(r"^\| `([\w-]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(sorted(set(named))) == regressions()
    assert {patch.stem for patch in PATCHES} == set(regressions()) == set(CAUGHT_BY)


@pytest.mark.parametrize(
    ("name", "branch", "found"),
    [
        ("hash-vmemmap", (6, 1), "hash-vmemmap.patch"),
        ("hash-vmemmap", (6, 12), "6.12/hash-vmemmap.patch"),
        ("hash-vmemmap", (7, 2), "6.12/hash-vmemmap.patch"),
        ("pgtable-leak", (7, 2), "7.2/pgtable-leak.patch"),
        ("pgtable-leak", (7, 3), "7.2/pgtable-leak.patch"),
        ("kmem-resource", (7, 3), "7.3/kmem-resource.patch"),
        ("vmemmap-shift", (7, 2), "vmemmap-shift.patch"),
        ("poison-unseen", (6, 1), "poison-unseen.patch"),
        ("fork-poison", (6, 1), "6.1/fork-poison.patch"),
    ],
)
def test_patch_of_a_kernel(name: str, branch: tuple[int, int], found: str) -> None:
    assert regression_patch(name, branch) == SERIES / found


def test_a_regression_of_new_code_is_of_new_kernels_alone() -> None:
    assert "kmem-online-type" not in regressions((7, 2))
    assert set(regressions((7, 3))) - set(regressions((7, 2))) == {
        *("btt-log-order", "devdax-shared", "fsdax-zero", "gup-stat", "hash-altmap-free"),
        *("insert-zero-rss", "kmem-node", "kmem-online-type", "label-index-copy", "mf-shift"),
        *("radix-unused", "region-dax-seed", "thp-split-file", "vmemmap-count"),
        *("x86-altmap-base", "arm64-altmap-ptes", "devdax-address", "disk-read-only"),
        *("node-normal-memory", "pfn-align", "pmd-eof-page", "poison-reference", "resize-busy"),
        "x86-direct-map",
    }
    with pytest.raises(FileNotFoundError, match=r"for 7\.2"):
        regression_patch("kmem-online-type", (7, 2))


def test_a_regression_of_old_code_is_of_old_kernels_alone() -> None:
    of_6_1_alone = {path.stem for path in (SERIES / "6.1").glob("*.patch")}
    assert len(of_6_1_alone) == 34
    assert set(regressions((6, 1))) - set(regressions((6, 12))) == {"poison-unseen", *of_6_1_alone}
    assert set(regressions((6, 12))) - set(regressions((7, 2))) == {"devmap-mprotect"}
    with pytest.raises(FileNotFoundError, match=r"'poison-unseen' .* for 7\.3"):
        regression_patch("poison-unseen", (7, 3))


def test_unknown_regression() -> None:
    with pytest.raises(FileNotFoundError, match="no regression 'hash-vmemap'"):
        regression_patch("hash-vmemap")
