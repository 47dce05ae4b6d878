"""``daxhound report``: what is made of results folders, for people and for programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.parser import add_command
from harness.errors import UserError
from harness.units import count

# Names alone: what writes them is imported once one is to be written.
FORMATS = ("html", "text", "junit", "ktap", "kcidb", "github")

if TYPE_CHECKING:
    from harness.commands.parser import Commands


def add_commands(commands: Commands) -> None:
    """The subcommand."""
    summary = "results as HTML, text, JUnit, KTAP or KCIDB"
    examples = (
        "report results/20261120-233152",
        "report results/20261120-233152 --format text",
        "report results/tonight --against results/last-night --format github --check",
        "report --merge shard-1 shard-2 -o results/tonight",
    )
    command = add_command(commands, "report", summary, run_report, *examples)
    folders: dict[str, Any] = {"type": _folder, "metavar": "DIR"}
    command.add_argument("directories", nargs="+", help="results folders", **folders)
    command.add_argument("--format", choices=FORMATS, default="html", help="default: html")
    command.add_argument("--against", help="hold it against this run", **folders)
    command.add_argument("--merge", action="store_true", help="one results folder, -o, of all")
    check = "exit code 1 where a failure is new, 3 where the host failed or a run is incomplete"
    command.add_argument("--check", action="store_true", help=check)
    where = "default: DIR/report.html, other formats to standard output"
    command.add_argument("-o", "--output", type=Path, metavar="PATH", help=where)


def _folder(name: str) -> Path:
    """A results folder, also by its run.json, which is what the last line of a run names."""
    from harness.report.results import RUN_FILE

    path = Path(name)
    return path.parent if path.name == RUN_FILE and path.is_file() else path


def run_report(options: argparse.Namespace) -> int:
    """Write or print; 0 whatever was found, unless --check asks."""
    from harness.report.check import judge
    from harness.report.formats import FORMATS as WRITERS
    from harness.report.material import gather, write_file

    output: Path | None = options.output
    if options.merge:
        merged = _merge(options.directories, output)
        return judge(gather([merged], options.against, merged)) if options.check else 0
    if output is None and options.format == "html":
        output = options.directories[0] / "report.html"
    base = output.parent if output else Path()
    material = gather(options.directories, options.against, base)
    text = WRITERS[options.format](material)
    if output is None:
        sys.stdout.write(text)
    else:
        write_file(output, text)
        print(output)
    return judge(material) if options.check else 0


def _merge(directories: list[Path], output: Path | None) -> Path:
    if output is None:
        raise UserError("--merge needs -o", hint="-o with a folder that does not exist yet")
    from harness.report.combine import merge

    print(f"{output}: {count(len(merge(directories, output).cells), 'cell')}")
    return output
