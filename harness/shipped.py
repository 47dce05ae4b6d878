"""Where the files are that daxhound brings along: scenarios, targets, fragments, patches.

They are found below ``harness/data`` alone. An installed package has the files there; in a
checkout they are links to the folders at the top, which is where people edit them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

SHIPPED: Final = {
    "kconfigs": "fragments of kernel configurations",
    "qemu": "the targets and their templates",
    "scenarios": "the scenarios; pytest runs this folder, or a file in it",
    "series": "patches that put known regressions back",
}
_DATA = Path(__file__).parent / "data"


def shipped(name: str) -> Path:
    """A folder of :data:`SHIPPED`, links followed, so that messages name the file to edit."""
    return (_DATA / name).resolve()


def shown(path: Path, base: Path | None = None) -> str:
    """A path as a person types it in ``base`` (the current folder): relative where below it."""
    path, base = path.absolute(), (base or Path.cwd()).absolute()
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)


def typed(path: str | Path) -> Path:
    """A path as a person types it, with ~ and ~user read; one that is nobody's stays as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
