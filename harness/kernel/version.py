"""The version of a kernel tree, as its Makefile says it."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import UserError
from harness.kernel.spec import KernelSpec

_VERSION_LINE = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL) *= *([0-9]*) *$", re.MULTILINE)


def read_version(path: Path, spec: KernelSpec) -> tuple[int, int, int]:
    """Version of a kernel tree, from its Makefile. Raises UserError for anything else."""
    try:
        return parse_version((path / "Makefile").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise UserError(
            f"{spec} is no Linux source tree: no Makefile there says VERSION and PATCHLEVEL",
            hint="the directory that holds Kconfig, MAINTAINERS and arch/",
        ) from exc


def parse_version(makefile: str) -> tuple[int, int, int]:
    """Version from the text of the kernel's top Makefile. Raises ValueError."""
    found = dict(reversed(_VERSION_LINE.findall(makefile)))
    if not {"VERSION", "PATCHLEVEL"} <= set(found):
        raise ValueError("no VERSION and PATCHLEVEL")
    return int(found["VERSION"]), int(found["PATCHLEVEL"]), int(found.get("SUBLEVEL") or 0)
