"""The configuration fragments of ``kconfigs/``, found by their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UserError, nearest
from harness.kconfig import Request, merge, parse_fragment
from harness.shipped import shipped

FRAGMENTS_DIR = shipped("kconfigs")


def load_fragments(names: Iterable[str], directory: Path = FRAGMENTS_DIR) -> tuple[Request, ...]:
    """What the named fragments ask for together: one request a symbol.

    Raises UserError for a name that is none, and for fragments that disagree.
    """
    requests: list[Request] = []
    for name in names:
        path = directory / f"{name}.config"
        if not path.is_file():
            known = [found.stem for found in directory.glob("*.config")]
            raise UserError(f"no such configuration fragment: {name!r}", hint=nearest(name, known))
        requests += parse_fragment(path.read_text(encoding="utf-8"), path)
    return merge(requests)
