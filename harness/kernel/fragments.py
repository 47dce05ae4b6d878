"""The configuration fragments of ``kconfigs/``, found by their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UserError, nearest
from harness.kconfig import Request, merge, parse_fragment
from harness.shipped import shipped
from harness.target import Target

FRAGMENTS_DIR = shipped("kconfigs")


def select_fragments(words: Iterable[str], directory: Path = FRAGMENTS_DIR) -> tuple[str, ...]:
    """Fragments named on the command line, with commas between or singly, each once.

    Raises UserError for a name that is none, and for fragments that disagree.
    """
    names = (name.strip() for word in words for name in word.split(","))
    selected = tuple(dict.fromkeys(name for name in names if name))
    load_fragments(selected, directory)
    return selected


def fragment_names(directory: Path = FRAGMENTS_DIR) -> tuple[str, ...]:
    """Every fragment that there is."""
    return tuple(sorted(path.stem for path in directory.glob("*.config")))


def check_needs(requests: Iterable[Request], target: Target) -> None:
    """Raises UserError where a request takes away what the target cannot be without."""
    for request in requests:
        if request.value == "n" and request.symbol in target.kernel.needs:
            raise UserError(
                f"a guest without CONFIG_{request.symbol} is no {target.name}",
                path=request.path,
                line=request.line,
                hint=f"--arch without {target.name}",
            )


def load_fragments(names: Iterable[str], directory: Path = FRAGMENTS_DIR) -> tuple[Request, ...]:
    """What the named fragments ask for together: one request a symbol.

    Raises UserError for a name that is none, and for fragments that disagree.
    """
    requests: list[Request] = []
    for name in names:
        path = directory / f"{name}.config"
        if not path.is_file():
            hint = nearest(name, fragment_names(directory))
            raise UserError(f"no such configuration fragment: {name!r}", hint=hint)
        requests += parse_fragment(path.read_text(encoding="utf-8"), path)
    return merge(requests)
