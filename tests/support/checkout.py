"""A copy of this checkout: its files as they are now, without what tools left in it."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LEFT_BY_TOOLS = (
    *(".git", ".venv", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"),
    *("results", "out", "build", "tests", "*.pyc"),
)


def copy_checkout(into: Path) -> Path:
    """The project without its tests, links kept as links."""
    shutil.copytree(ROOT, into, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_BY_TOOLS))
    return into
