"""Patches that change nothing: what a real series consists of around its one mistake.

Each patch touches one leaf, a .c file that nothing includes, of the subsystems under test,
so that a kernel rebuilds one object for it: a comment, two declarations in the other order,
or a local variable by another name. Which, follows from the tree and the number alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LEAVES = (
    "drivers/dax/super.c",
    "mm/gup_test.c",
    "mm/hwpoison-inject.c",
    "mm/mincore.c",
    "drivers/nvdimm/core.c",
    "drivers/nvdimm/dimm_devs.c",
    "drivers/nvdimm/pmem.c",
    "mm/pagewalk.c",
    "drivers/nvdimm/badrange.c",
    "drivers/nvdimm/claim.c",
    "drivers/nvdimm/btt_devs.c",
    "drivers/nvdimm/region.c",
)
"""Built in every configuration with pmem, and in no patch of ``series/``."""

_BODY = re.compile(r"^\{\n(?P<body>.*?)^\}\n", re.MULTILINE | re.DOTALL)
_PLAIN = re.compile(r"^\t(?:struct \w+ \*\w+|(?:unsigned )?(?:int|long)|u64|ssize_t) ?\w+;\n", re.M)
_NEIGHBOURS = re.compile(rf"(?P<first>{_PLAIN.pattern})(?P<second>{_PLAIN.pattern})", re.M)
_STATUS = re.compile(r"^\t(?:int|ssize_t) (?P<name>rc|ret);\n", re.MULTILINE)
_INCLUDE = re.compile(r"(?:^#include [<\"].+\n)+", re.MULTILINE)
_DATE = "Sat, 21 Nov 2026 00:00:00 +0000"


@dataclass(frozen=True, slots=True)
class _Edit:
    """A change that can be made to a file, where the file has a place for it."""

    subject: str
    body: str
    apply: Callable[[str], str | None]


def harmless_patches(tree: Path, count: int) -> tuple[str, ...]:
    """``count`` patches of different leaves of a kernel tree, as git format-patch writes them.

    Raises ValueError where the tree has fewer leaves than that.
    """
    leaves = [leaf for leaf in LEAVES if (tree / leaf).is_file()]
    if len(leaves) < count:
        raise ValueError(f"{tree} has {len(leaves)} leaves, too few for {count} patches")
    return tuple(_patch(tree, leaf, turn) for turn, leaf in enumerate(leaves[:count]))


def hide(harmless: Sequence[str], hidden: str, position: int) -> tuple[str, ...]:
    """A series with ``hidden`` as its patch number ``position``, counted from 1.

    Raises ValueError for a position that leaves a gap.
    """
    if not 1 <= position <= len(harmless) + 1:
        raise ValueError(f"position {position} in a series of {len(harmless) + 1}")
    return (*harmless[: position - 1], hidden, *harmless[position - 1 :])


def write_series(patches: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """One numbered file a patch, as ``git format-patch -o`` leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    total = len(patches)
    return tuple(
        _write(folder, number, total, patch) for number, patch in enumerate(patches, start=1)
    )


def _write(folder: Path, number: int, total: int, patch: str) -> Path:
    subject = re.search(r"^Subject: \[PATCH\] (.*)$", patch, re.MULTILINE)
    if subject is None:
        raise ValueError("no patch of a single commit: it has no 'Subject: [PATCH] '")
    name = re.sub(r"[^A-Za-z0-9_]+", "-", subject[1]).strip("-")[:52]
    path = folder / f"{number:04}-{name}.patch"
    path.write_text(patch.replace("[PATCH]", f"[PATCH {number}/{total}]", 1), encoding="utf-8")
    return path


def _patch(tree: Path, leaf: str, turn: int) -> str:
    before = (tree / leaf).read_text(encoding="utf-8")
    for edit in (*_EDITS[turn % len(_EDITS) :], *_EDITS):
        after = edit.apply(before)
        if after is not None:
            return _format(leaf, edit, before, after)
    raise ValueError(f"{leaf} has no place for any harmless change")


def _format(leaf: str, edit: _Edit, before: str, after: str) -> str:
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    diff = "".join(difflib.unified_diff(old, new, f"a/{leaf}", f"b/{leaf}"))
    return (
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
        "From: daxhound <daxhound@example.invalid>\n"
        f"Date: {_DATE}\n"
        f"Subject: [PATCH] {leaf.removesuffix('.c')}: {edit.subject}\n\n"
        f"{edit.body} No functional change.\n"
        f"---\n {leaf} | 2 +-\n\n"
        f"diff --git a/{leaf} b/{leaf}\n{diff}"
    )


def _comment(text: str) -> str | None:
    block = _INCLUDE.search(text)
    if block is None:
        return None
    return (
        f"{text[: block.start()]}/* A leaf: no other file includes it. */\n{text[block.start() :]}"
    )


def _reorder(text: str) -> str | None:
    """Two declarations without initialisers, next to each other: neither can need the other."""
    for body in _BODY.finditer(text):
        pair = _NEIGHBOURS.match(text, body.start("body"), body.end("body"))
        if pair is not None:
            swapped = pair["second"] + pair["first"]
            return text[: pair.start()] + swapped + text[pair.end() :]
    return None


def _rename(text: str) -> str | None:
    """A status variable; members of the same name and strings must stay as they are."""
    for body in _BODY.finditer(text):
        declared = _STATUS.search(body["body"])
        if declared is None or re.search(r'\berr\b|"[^"\n]*\b(?:rc|ret)\b', body["body"]):
            continue
        name = declared["name"]
        if re.search(rf"(?:\.|->){name}\b", body["body"]):
            continue
        renamed = re.sub(rf"\b{name}\b", "err", body["body"])
        return text[: body.start("body")] + renamed + text[body.end("body") :]
    return None


_EDITS = (
    _Edit("say who includes it", "A reader need not look for it elsewhere.", _comment),
    _Edit("reorder two declarations", "They are easier to find that way.", _reorder),
    _Edit("rename a status variable", "Most of its neighbours call it err.", _rename),
)
