"""``daxhound plan``: a run as a CI matrix."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from harness.commands.named import chosen_cells
from harness.commands.parser import (
    DEFAULT_KERNEL,
    add_arch,
    add_command,
    add_config,
    add_scenarios,
)
from harness.kernel.fragments import select_fragments
from harness.scenario.find import SCENARIOS_DIR, in_pytests_words
from harness.shipped import shown

if TYPE_CHECKING:
    from harness.commands.parser import Commands


def add_commands(commands: Commands) -> None:
    """The subcommand."""
    summary = "a run as a CI matrix: kernels to build, shards to run"
    examples = (
        "plan --arch all --kernel debian:6.1,debian:6.12 --shards 4 --format json",
        'plan --shards 8 --format github >>"$GITHUB_OUTPUT"',
        "plan --arch ppc64-hash --format gitlab >night.yml",
    )
    command = add_command(commands, "plan", summary, _plan, *examples)
    add_arch(command)
    add_scenarios(command)
    kernels = f"with commas between, or given again (default: {DEFAULT_KERNEL})"
    command.add_argument("--kernel", action="append", metavar="SPEC", help=kernels)
    add_config(command)
    shards = "jobs that the cells of each kernel are shared out to (default: 1)"
    command.add_argument("--shards", type=int, default=1, metavar="N", help=shards)
    formats = ("github", "gitlab", "json")
    command.add_argument("--format", choices=formats, default="json", help="default: json")


def _plan(options: argparse.Namespace) -> int:
    from harness.kernel.spec import parse_kernel_spec
    from harness.plan import FORMATS, make_plan

    given = options.kernel or [DEFAULT_KERNEL]
    kernels = list(dict.fromkeys(name for word in given for name in word.split(",") if name))
    for kernel in kernels:
        parse_kernel_spec(kernel)
    cells, config = chosen_cells(options), select_fragments(options.config)
    words = in_pytests_words(cells) if options.scenario else (f"{shown(SCENARIOS_DIR)}/",)
    plan = make_plan(cells, kernels, options.shards, words, config)
    sys.stdout.write(FORMATS[options.format](plan))
    return 0
