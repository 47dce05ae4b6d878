"""``daxhound series``, ``bisect`` and ``bisect-step``: their options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[Any]


def add_commands(commands: _Commands) -> None:
    """The three subcommands."""
    command = commands.add_parser("series", help="run scenarios without and with a patch series")
    command.add_argument("series", help="a .patch file, an mbox, a directory, git:PATH@A..B, or -")
    command.add_argument("--per-patch", action="store_true", help="each patch on top of the last")
    _selection(command)
    command.add_argument("-n", "--numprocesses", metavar="N", help="cells at a time")
    command.set_defaults(run=_run_series)

    command = commands.add_parser("bisect", help="find the patch of a series that broke a cell")
    command.add_argument("--series", required=True, metavar="PATCHES")
    _selection(command)
    _trials(command)
    command.set_defaults(run=_run_bisect)

    command = commands.add_parser(
        "bisect-step", help="judge one source tree, for: git bisect run daxhound bisect-step ..."
    )
    _selection(command, kernel="dir:.")
    _trials(command)
    command.set_defaults(run=_run_bisect_step)


def _selection(command: argparse.ArgumentParser, kernel: str = "debian:6.1") -> None:
    command.add_argument("--arch", action="append", metavar="TARGET", help="default: all")
    command.add_argument(
        "--scenario", action="append", metavar="NAME", help="default: all that are shipped"
    )
    command.add_argument("--kernel", default=kernel, metavar="SPEC", help=f"default: {kernel}")
    command.add_argument("--results", type=Path, metavar="DIR", help="default: results/<time>")
    command.add_argument("--patience", type=float, default=1.0, metavar="FACTOR")


def _trials(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runs", type=int, default=1, metavar="M", help="guests a kernel")
    command.add_argument(
        "--need", type=int, default=1, metavar="N", help="failures that make it bad (default: 1)"
    )


def _run_series(options: argparse.Namespace) -> int:
    from harness.commands.series_runs import run_series

    return run_series(options)


def _run_bisect(options: argparse.Namespace) -> int:
    from harness.commands.series_runs import run_bisect

    return run_bisect(options)


def _run_bisect_step(options: argparse.Namespace) -> int:
    from harness.commands.series_runs import run_bisect_step

    return run_bisect_step(options)
