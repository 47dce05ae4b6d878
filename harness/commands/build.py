"""``daxhound build``: kernels and guest images ahead of the run that needs them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.named import chosen_cells
from harness.commands.parser import (
    add_arch,
    add_command,
    add_config,
    add_json,
    add_kernel,
    add_scenarios,
)
from harness.stand_ins import StandIns, add_stand_ins

if TYPE_CHECKING:
    from harness.campaign.ahead import Build
    from harness.commands.parser import Commands


def add_commands(commands: Commands) -> None:
    """The subcommand."""
    summary = "build kernels and guest images, so that a run finds them"
    examples = (
        "build --arch ppc64-hash,ppc64-radix",
        "build --arch s390x --scenario gup-anon --kernel debian:6.12",
        "build --series v7.mbox --per-patch --json",
        "build --arch arm64 --pack store.tar",
    )
    command = add_command(commands, "build", summary, _build, *examples)
    add_arch(command)
    add_scenarios(command)
    add_kernel(command)
    add_config(command)
    add_stand_ins(command.add_argument)
    command.add_argument("--series", metavar="PATCHES", help="with and without these patches")
    command.add_argument("--per-patch", action="store_true", help="with each number of them")
    pack = "write what was built to a file, for: daxhound cache unpack"
    command.add_argument("--pack", type=Path, metavar="FILE", help=pack)
    add_json(command)


def _build(options: argparse.Namespace) -> int:
    """0 where every kernel builds, else 1."""
    from harness.campaign.ahead import build_ahead
    from harness.commands.provider import provider_of
    from harness.machine.termination import orderly_termination
    from harness.pack import pack
    from harness.series.load import load_series

    cells = chosen_cells(options, StandIns.of(options))
    series = load_series(options.series, sys.stdin.buffer) if options.series else None
    provider = provider_of(options)
    builds: list[Build] = []
    with orderly_termination():
        for build in build_ahead(provider, cells, series, per_patch=options.per_patch):
            builds.append(build)
            if not options.json:
                print(_line(build), flush=True)
    if options.pack:
        pack(provider.store, options.pack)
    if options.json:
        print(json.dumps([asdict(build) for build in builds], indent=1))
    return 1 if any(build.failure for build in builds) else 0


def _line(build: Build) -> str:
    words = [build.target]
    words += [f"+{name}" for name in build.config]
    words += [f"patches:{build.patches}"] * bool(build.patches)
    told = f"does not build: {build.failure}" if build.failure else build.release
    return f"{' '.join(words)}: {told}"
