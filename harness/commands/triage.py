"""``daxhound triage``: what a crash in a console or a mail is, and which scenario to try."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.parser import add_command, add_json
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.commands.parser import Commands


def add_commands(commands: Commands) -> None:
    """The subcommand."""
    summary = "kernel reports of a console or a mail, and the scenario to try"
    examples = ("triage mail.txt", "triage --json -")
    command = add_command(commands, "triage", summary, run_triage, *examples)
    command.add_argument("file", help="a console log or a mail; - for standard input")
    add_json(command)


def run_triage(options: argparse.Namespace) -> int:
    """Exit code 0, whatever was found."""
    from harness.kernel.source import load_suites
    from harness.target import load_targets
    from harness.triage import find_reports, load_hints, render_json, render_text, suggest

    hints, targets, versions = load_hints(), load_targets(), load_suites().sources
    findings = find_reports(_read(options.file), targets.values())
    answers = [(finding, suggest(finding, hints, targets, versions)) for finding in findings]
    print(render_json(answers) if options.json else render_text(answers))
    return 0


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as exc:
        raise UserError(f"cannot be read: {exc.strerror}", path=Path(name)) from exc
