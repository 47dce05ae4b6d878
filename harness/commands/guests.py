"""``daxhound qemu`` and ``daxhound shell``: one guest, for a person."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.commands.named import named_scenario
from harness.commands.parser import (
    add_command,
    add_config,
    add_kernel,
    add_scenario,
    add_target,
)
from harness.errors import UserError
from harness.kernel.fragments import select_fragments
from harness.scenario.expand import Cell
from harness.scenario.find import cells_on
from harness.stand_ins import StandIns, add_stand_ins
from harness.target import Target, load_targets

if TYPE_CHECKING:
    from harness.commands.parser import Commands

# Ctrl-A x is QEMU's own, where its console is on a terminal (chardev stdio with mux=on).
_ENDING = "type exit to power the guest off; Ctrl-A x ends it at any time"


def add_commands(commands: Commands) -> None:
    """The two subcommands."""
    for name, summary, run, example in (
        ("qemu", "print the canned QEMU command line", _qemu, "--scenario devdax-map-mem"),
        ("shell", "an interactive guest on this terminal", _shell, "--kernel debian:6.12"),
    ):
        examples = f"{name} ppc64-radix", f"{name} arm64 {example}"
        command = add_command(commands, name, summary, run, *examples)
        add_target(command)
        add_scenario(
            command, "--scenario", "start with this scenario's layout; a name or FILE.yaml"
        )
        add_kernel(command)
        add_config(command)
        add_stand_ins(command.add_argument)
        if name == "shell":
            command.description = f"{command.description} {_ENDING[0].upper()}{_ENDING[1:]}."


def _target(options: argparse.Namespace) -> Target:
    """Raises UserError for more than one."""
    first, *others = StandIns.of(options).select([options.target], load_targets())
    if others:
        raise UserError(f"{options.target!r} is several targets", hint=f"one of them: {first.name}")
    return first


def _first_cell(target: Target, scenario: str | None, config: tuple[str, ...]) -> Cell | None:
    """The scenario's first cell on the target; its layout is what a guest starts with."""
    if scenario is None:
        return None
    known = load_targets()
    chosen = [named_scenario(scenario, known)]
    return cells_on({target.name: target}, chosen, known, config)[0]


def _qemu(options: argparse.Namespace) -> int:
    from harness.campaign.interactive import canned_command
    from harness.commands.provider import provider_of
    from harness.machine.termination import orderly_termination

    target, config = _target(options), select_fragments(options.config)
    cell = _first_cell(target, options.scenario, config)
    with orderly_termination():
        canned = canned_command(provider_of(options), target, cell, config=config)
    for line in canned.preparation:
        print(line)
    print(" \\\n  ".join(_paired(canned.argv)))
    return 0


def _paired(argv: Sequence[str]) -> list[str]:
    """Shell words, an option and its argument on one line."""
    lines: list[str] = []
    for word in argv:
        quoted = shlex.quote(word)
        if word.startswith("-") or not lines or " " in lines[-1] or not lines[-1].startswith("-"):
            lines.append(quoted)
        else:
            lines[-1] += f" {quoted}"
    return lines


def _shell(options: argparse.Namespace) -> int:
    from harness.campaign.interactive import run_interactive
    from harness.commands.provider import provider_of
    from harness.machine.termination import orderly_termination

    target, config = _target(options), select_fragments(options.config)
    cell = _first_cell(target, options.scenario, config)
    if not sys.stdin.isatty():
        # QEMU sees no end of input, and what comes before the guest asks is lost.
        raise UserError(
            "shell is for a person at a terminal, and its input is none",
            hint=f"daxhound qemu {target.name}, whose command line another program can drive; "
            "or a scenario, whose steps pytest runs",
        )
    with orderly_termination():
        return run_interactive(provider_of(options), target, cell, config, _ENDING)
