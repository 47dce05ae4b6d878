"""Strangers' programs in a session of their own: what has a terminal can type into it (TIOCSTI).

What is typed there is read by the user's shell, as soon as daxhound ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_apart(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    directory: Path | None = None,
    text: str = "",
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program that reads ``text`` to its end, with no terminal to open.

    The terminal's Ctrl-C is not for it: interrupted is who waits here, and it ends with that, as
    does all that it started. Raises OSError, and TimeoutExpired after so many ``seconds``.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=directory,
        start_new_session=True,
    ) as process:
        try:
            out, complaints = process.communicate(text, seconds)
        finally:
            end_group(process)
    return subprocess.CompletedProcess(command, process.returncode, out, complaints)


def end_group(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End what leads a session and all it started, and reap it; nothing where it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
