"""``daxhound doctor``, ``targets``, ``path`` and ``completion``: the host and what is shipped."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from harness.commands.parser import add_arch, add_command, add_json
from harness.shipped import SHIPPED, shipped
from harness.target import load_targets, select_targets

if TYPE_CHECKING:
    from harness.commands.parser import Commands

SHELLS = ("bash", "zsh", "fish")


def add_commands(commands: Commands) -> None:
    """The four subcommands."""
    summary = "what this host can run, and what is missing"
    likely = ("doctor", "doctor --install", "doctor --install --arch riscv64")
    command = add_command(commands, "doctor", summary, _doctor, *likely)
    add_arch(command)
    command.add_argument("--install", action="store_true", help="install what is missing")
    add_json(command)

    summary = "the targets that --arch takes"
    command = add_command(commands, "targets", summary, _targets, "targets", "targets --json")
    add_json(command)

    summary = "print where a folder that is shipped stands"
    command = add_command(commands, "path", summary, _path, "path scenarios", "path series")
    folders = "; ".join(f"{name}: {what}" for name, what in SHIPPED.items())
    command.add_argument("folder", choices=tuple(SHIPPED), help=folders)

    summary = "print what makes a shell complete daxhound's words"
    examples = ("completion bash >>~/.bashrc", "completion fish | source")
    command = add_command(commands, "completion", summary, _completion, *examples)
    command.add_argument("shell", choices=SHELLS, help="the shell that reads what is printed")


def _doctor(options: argparse.Namespace) -> int:
    from harness import doctor

    targets = select_targets(options.arch or ["all"], load_targets())
    diagnosis = doctor.diagnose(targets)
    if options.install and diagnosis.missing:
        print(f"daxhound: installing {' '.join(diagnosis.missing)}", file=sys.stderr)
        doctor.install(diagnosis.missing)
        targets = select_targets(options.arch or ["all"], load_targets())
    diagnosis = doctor.diagnose(targets)
    if options.json:
        print(json.dumps(doctor.to_json(diagnosis), indent=1))
    else:
        print(doctor.render(diagnosis))
    return 1 if diagnosis.missing else 0


def _targets(options: argparse.Namespace) -> int:
    targets = load_targets().values()
    if options.json:
        print(json.dumps([target.model_dump(mode="json") for target in targets], indent=1))
        return 0
    for target in sorted(targets, key=lambda target: not target.is_main):
        print(f"{target.name:15}{target.summary}")
    return 0


def _path(options: argparse.Namespace) -> int:
    print(shipped(options.folder))
    return 0


def _completion(options: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["daxhound"], shell=options.shell))
    return 0
