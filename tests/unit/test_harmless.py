"""The patches that change nothing, and the place of the one among them that does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.harmless import LEAVES, harmless_patches, hide, write_series

LEAF = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/slab.h>

static int first(struct thing *thing)
{
	struct other *other;
	int rc;

	rc = ask(thing, &other);
	if (rc)
		return rc;
	return 0;
}
"""
HIDDEN = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: daxhound <daxhound@example.invalid>
Subject: [PATCH] mm: hidden

---
diff --git a/mm/gup.c b/mm/gup.c
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1 +1 @@
-int pages;
+int folios;
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for leaf in LEAVES:
        path = tmp_path / "tree" / leaf
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LEAF, encoding="utf-8")
    (tmp_path / "tree/mm/gup.c").write_text("int pages;\n", encoding="utf-8")
    return tmp_path / "tree"


def _apply(patch: Path, tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "apply", "--verbose", str(patch)],
        cwd=tree,
        env={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(tree.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("position", [1, 4, 11])
def test_a_series_applies_wherever_the_regression_hides(tree: Path, position: int) -> None:
    patches = hide(harmless_patches(tree, 10), HIDDEN, position)
    files = write_series(patches, tree.parent / "series")
    assert [path.name[:4] for path in files] == [f"{n:04}" for n in range(1, 12)]
    assert "hidden" in files[position - 1].name
    for path in files:
        done = _apply(path, tree)
        assert done.returncode == 0, done.stderr
        assert "cleanly" in done.stderr
    assert (tree / "mm/gup.c").read_text(encoding="utf-8") == "int folios;\n"


def test_patches_change_one_leaf_each_and_differ_in_kind(tree: Path) -> None:
    patches = harmless_patches(tree, 10)
    touched = [re.findall(r"^\+\+\+ b/(\S+)", patch, re.MULTILINE) for patch in patches]
    assert touched == [[leaf] for leaf in LEAVES[:10]]
    added = {line for patch in patches for line in patch.splitlines() if re.match(r"\+[^+]", line)}
    assert "+\trc = ask(thing, &other);" not in added
    assert {"+\terr = ask(thing, &other);", "+/* A leaf: no other file includes it. */"} < added
    # The two declarations, the other way round.
    assert any("+\tint rc;\n \tstruct other *other;\n-\tint rc;\n" in patch for patch in patches)


def test_no_variable_is_renamed_where_its_name_means_something_else_too(tree: Path) -> None:
    leaf = tree / LEAVES[2]
    leaf.write_text(LEAF.replace("(thing, &other)", "(thing->rc)"), encoding="utf-8")
    assert "rename" not in harmless_patches(tree, 3)[2]


def test_too_small_a_tree_and_a_gap_are_refused(tree: Path) -> None:
    (tree / LEAVES[0]).unlink()
    with pytest.raises(ValueError, match="too few for 20"):
        harmless_patches(tree, 20)
    with pytest.raises(ValueError, match="position 5 in a series of 4"):
        hide(["a", "b", "c"], "d", 5)
