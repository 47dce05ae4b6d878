"""``daxhound series``, ``bisect`` and ``bisect-step``: their options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.parser import (
    DEFAULT_KERNEL,
    add_arch,
    add_command,
    add_config,
    add_kernel,
    add_scenarios,
)
from harness.stand_ins import add_stand_ins

if TYPE_CHECKING:
    from harness.commands.parser import Commands

_SERIES = "a .patch file, an mbox, a folder, git:PATH@A..B, or - for standard input"


def add_commands(commands: Commands) -> None:
    """The three subcommands."""
    summary = "run scenarios without and with a patch series"
    examples = ("series v7.mbox --arch ppc64-hash", "series --per-patch git:~/linux@v6.12..topic")
    command = add_command(commands, "series", summary, _run_series, *examples)
    command.add_argument("series", help=_SERIES)
    command.add_argument("--per-patch", action="store_true", help="each patch on top of the last")
    _selection(command)
    _as_of_pytest(command)

    summary = "find the patch of a series that broke a cell"
    example = "bisect --series v7.mbox --scenario devdax-map-mem --arch ppc64-hash"
    command = add_command(commands, "bisect", summary, _run_bisect, example)
    command.add_argument("--series", required=True, metavar="PATCHES", help=_SERIES)
    expect = "what the series is meant to change (default: the .expect.yaml beside it)"
    command.add_argument("--expect", type=Path, metavar="FILE", help=expect)
    _selection(command)
    _trials(command)

    summary = "judge one source tree, for: git bisect run daxhound bisect-step OPTIONS"
    examples = (
        "bisect-step --scenario devdax-map-mem --arch ppc64-hash",
        "bisect-step --scenario gup-anon --arch s390x --runs 3 --need 2",
    )
    command = add_command(commands, "bisect-step", summary, _run_bisect_step, *examples)
    _selection(command, kernel="dir:.")
    _trials(command)


def _as_of_pytest(command: argparse.ArgumentParser) -> None:
    """Options that pytest has as well, and takes as they are."""
    for name, metavar in (("guests", "N"), ("timings", "PAIRS"), ("expect", "FILE")):
        command.add_argument(f"--{name}", metavar=metavar, help=f"as of pytest --{name}")
    command.add_argument("--fresh", action="store_true", help="as of pytest --fresh")


def _selection(command: argparse.ArgumentParser, kernel: str = DEFAULT_KERNEL) -> None:
    add_arch(command)
    add_scenarios(command)
    add_kernel(command, kernel)
    add_config(command)
    add_stand_ins(command.add_argument)
    command.add_argument("--results", type=Path, metavar="DIR", help="default: results/<time>")
    patience = "multiply every deadline, for a slow or busy host (default: 1)"
    command.add_argument("--patience", type=float, default=1.0, metavar="FACTOR", help=patience)


def _trials(command: argparse.ArgumentParser) -> None:
    runs = "how often each kernel is tried, in a guest of its own (default: 1)"
    need = "how many of them must fail to make a kernel bad (default: 1)"
    command.add_argument("--runs", type=int, default=1, metavar="M", help=runs)
    command.add_argument("--need", type=int, default=1, metavar="N", help=need)


def _run_series(options: argparse.Namespace) -> int:
    from harness.commands.series_runs import run_series

    return run_series(options)


def _run_bisect(options: argparse.Namespace) -> int:
    from harness.commands.series_runs import run_bisect

    return run_bisect(options)


def _run_bisect_step(options: argparse.Namespace) -> int:
    from harness.commands.series_runs import run_bisect_step

    return run_bisect_step(options)
