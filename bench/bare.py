"""The peer of a run: the same QEMU command line, and the same commands in the guest's shell.

No harness looks on: no verdict, no prediction, no console that is read, no clean-up.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pexpect

from harness.campaign.interactive import Canned, canned_command
from harness.campaign.provide import Provider
from harness.image import compose_initrd, cpio
from harness.machine.files import make_device_files
from harness.progress import Progress
from harness.scenario.expand import Cell
from harness.store import Store

_PROMPT = "~ # "
_SCRIPT = "root/commands.sh"
_END = "all commands ran"
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class BareRun:
    """Seconds from the start of QEMU to a prompt, and to the end of all commands."""

    prompt: float
    whole: float


def bare_run(cell: Cell, kernel: str, commands: Sequence[str]) -> BareRun:
    """Boot the cell's guest by hand, run a script of commands in it, and end it."""
    provider = Provider(Store.default(), kernel, Progress())
    with tempfile.TemporaryDirectory(prefix="dx-bare-") as name:
        directory = Path(name)
        canned = canned_command(provider, cell.target, cell, directory)
        make_device_files(cell.target, cell.layout, canned.files)
        return _typed(_with_script(canned, commands, directory / "initrd"))


def _with_script(canned: Canned, commands: Sequence[str], initrd: Path) -> Sequence[str]:
    """The command line with one more file in the guest, so that little has to be typed."""
    script = "".join(f"(\n{command}\n) </dev/null >/dev/null 2>&1\n" for command in commands)
    entry = cpio.file(_SCRIPT, script.encode())
    argv = list(canned.argv)
    place = argv.index("-initrd") + 1
    parts = (Path(argv[place]), cpio.write_archive(cpio.with_parents((entry,))))
    argv[place] = str(compose_initrd(initrd, parts))
    return argv


def _typed(argv: Sequence[str]) -> BareRun:
    started = time.monotonic()
    terminal = pexpect.spawn(argv[0], list(argv[1:]), timeout=_SECONDS, encoding="utf-8")
    terminal.delaybeforesend = None
    try:
        terminal.expect_exact(_PROMPT)
        prompt = time.monotonic() - started
        # In two words, so that the echo of what is typed does not match.
        terminal.sendline(f"sh /{_SCRIPT}; echo {_END[:3]}''{_END[3:]}")
        terminal.expect_exact(_END)
        return BareRun(prompt, time.monotonic() - started)
    finally:
        terminal.close(force=True)


def commands_of(folder: Path) -> list[str]:
    """What a cell ran in its guest, as its steps.jsonl has it."""
    commands: list[str] = []
    for line in (folder / "steps.jsonl").read_text(encoding="utf-8").splitlines():
        commands += [entry["command"] for entry in json.loads(line)["commands"]]
    return commands
