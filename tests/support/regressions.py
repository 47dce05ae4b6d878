"""The patches of ``series/``, by name and kernel."""

from __future__ import annotations

from pathlib import Path

SERIES = Path(__file__).resolve().parents[2] / "series"


def regressions() -> tuple[str, ...]:
    """Every regression's name."""
    return tuple(sorted(path.stem for path in SERIES.glob("*.patch")))


def regression_patch(name: str, branch: tuple[int, int] = (6, 1)) -> Path:
    """The patch for a kernel of ``branch``: of the newest folder that is not newer than it.

    Raises FileNotFoundError for a regression that nobody wrote.
    """
    versions = (path for path in SERIES.iterdir() if path.is_dir() and _branch(path) <= branch)
    for folder in (*sorted(versions, key=_branch, reverse=True), SERIES):
        path = folder / f"{name}.patch"
        if path.is_file():
            return path
    raise FileNotFoundError(f"no regression {name!r} in {SERIES}")


def _branch(folder: Path) -> tuple[int, int]:
    major, minor = folder.name.split(".")
    return int(major), int(minor)
