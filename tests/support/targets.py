"""The targets that tests are run on."""

from __future__ import annotations

from harness.target import Target, load_targets, select_targets


def main_targets() -> dict[str, Target]:
    """Those of ``--arch all``, by name: each variant would cost a kernel more."""
    return {target.name: target for target in select_targets(["all"], load_targets())}
