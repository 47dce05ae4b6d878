"""The session in docs/recording.md, recorded anew: .venv/bin/python -m tests.recording

On a terminal of its own, with real guests.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pyte

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "recording.md"

_COLUMNS, _LINES = 100, 40
_SECONDS = 3600
_LOOK_SECONDS = 0.5
# A running guest's line: its cell, phase, seconds, and what its console said last.
_ALIVE = re.compile(r"\[ppc64-radix\S*  \S.*  \d+ s  \S")

_HEAD = """\
# A session, as the terminal showed it

A patch that lays struct pages over the info block of namespaces, `series/info-block-reserve.patch`,
looked for on radix, where pages are 64K. Base and patched kernel had been built before, and the
series had been run: its results were kept. `python -m tests.recording` records it anew.

"""

_SESSION = (
    ".venv/bin/daxhound predict devdax-whole --arch ppc64-radix",
    ".venv/bin/pytest scenarios/fsdax.yaml --arch ppc64-radix -k fsdax-file"
    " --results results/plain",
    ".venv/bin/pytest scenarios/ --arch ppc64-radix -k 'devdax-whole or fsdax-file'"
    " --series series/info-block-reserve.patch --results results/recorded",
    ".venv/bin/daxhound report results/recorded --format text",
)


def main() -> int:
    """Write the page."""
    blocks = [_HEAD]
    for command in _SESSION:
        final, alive = record(command)
        blocks.append("<!-- unrun: guests -->\n\n" + _block(f"$ {command}", *final) + "\n")
        if alive:
            blocks.append("On the way, below what pytest had written:\n\n" + _block(*alive) + "\n")
    page = "\n".join(blocks).replace(str(ROOT), "~/daxhound")
    PAGE.write_text(re.sub(r"\n{3,}", "\n\n", page).rstrip() + "\n", encoding="utf-8")
    return 0


def record(command: str) -> tuple[list[str], list[str]]:
    """The terminal's lines at the end, and the last that it had of a running guest's."""
    screen = pyte.HistoryScreen(_COLUMNS, _LINES, history=10_000)
    stream = pyte.ByteStream(screen)
    alive: list[str] = []
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": str(_COLUMNS)}
    terminal: pexpect.spawn[bytes] = pexpect.spawn(
        "/bin/sh",
        ["-c", command],
        cwd=str(ROOT),
        env=environ,
        dimensions=(_LINES, _COLUMNS),
        timeout=_SECONDS,
    )
    with terminal:
        for piece in _pieces(terminal):
            stream.feed(piece)
            running = [line.rstrip() for line in screen.display if _ALIVE.search(line)]
            alive = running or alive
    return _lines(screen), alive


def _pieces(terminal: pexpect.spawn[bytes]) -> Iterator[bytes]:
    while True:
        try:
            yield terminal.read_nonblocking(65536, _LOOK_SECONDS)
        except pexpect.TIMEOUT:
            continue
        except pexpect.EOF:
            return


def _lines(screen: pyte.HistoryScreen) -> list[str]:
    above = [
        "".join(line[column].data for column in range(_COLUMNS)) for line in screen.history.top
    ]
    return "\n".join(line.rstrip() for line in (*above, *screen.display)).rstrip().split("\n")


def _block(*lines: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
