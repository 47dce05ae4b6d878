"""``daxhound triage``: what a crash in a console or a mail is, and which scenario to try."""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import lzma
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.parser import add_command, add_json
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.commands.parser import Commands

# How files begin that logs are packed into, and what unpacks them.
_PACKED = ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ\0", lzma.open), (b"BZh", bz2.open))
_ZSTD = b"\x28\xb5\x2f\xfd"
_MOST_BYTES = 512 << 20


def add_commands(commands: Commands) -> None:
    """The subcommand."""
    summary = "kernel reports of a console or a mail, and the scenario to try"
    examples = ("triage mail.txt", "triage --json -")
    command = add_command(commands, "triage", summary, run_triage, *examples)
    command.add_argument(
        "file",
        help="a console log or a mail, also packed by gzip, xz or bzip2; - for standard input",
    )
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
    """A file, or standard input; unpacked where it is packed, as rotated logs and archives are."""
    from harness.report.results import CONSOLE_FILE

    path = Path("standard input" if name == "-" else name)
    try:
        content = sys.stdin.buffer.read() if name == "-" else path.read_bytes()
    except IsADirectoryError as exc:
        console = path / CONSOLE_FILE
        hint = str(console) if console.exists() else f"the {CONSOLE_FILE} of a cell in it"
        raise UserError("is a folder", path=path, hint=hint) from exc
    except OSError as exc:
        raise UserError(f"cannot be read: {exc.strerror}", path=path) from exc
    return _unpacked(content, path)


def _unpacked(content: bytes, path: Path) -> bytes:
    """Raises UserError for what is cut short, or too much."""
    if content.startswith(_ZSTD):
        hint = "zstd -dc FILE | daxhound triage -"
        raise UserError("is packed by zstd, which nothing here unpacks", path=path, hint=hint)
    unpack = next((how for beginning, how in _PACKED if content.startswith(beginning)), None)
    if unpack is None:
        return content
    try:
        with unpack(io.BytesIO(content)) as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as exc:
        raise UserError(f"cannot be unpacked: {exc}", path=path) from exc
    if len(content) > _MOST_BYTES:
        raise UserError(f"has more than {_MOST_BYTES >> 20} MiB unpacked", path=path)
    return content
