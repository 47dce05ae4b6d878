"""What a program of this host says of its version, asked once while its file stays the same.

One that gave no answer is asked again by whoever wants it next.

An answer takes 5 to 40 ms. :func:`ask_ahead` has programs asked while other things are done.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

from harness.errors import InfrastructureError

_ANSWER_SECONDS = 20.0

_asked: dict[tuple[Path, int], Future[str]] = {}
_asking = threading.Lock()


def said_version(path: Path) -> str:
    """What ``--version`` prints. Raises InfrastructureError where it cannot be asked."""
    try:
        return _answer(path).result()
    except OSError as exc:
        raise InfrastructureError(f"{path} --version: {exc}") from exc


def ask_ahead(programs: Iterable[str]) -> None:
    """Ask those of the programs that are on PATH, and wait for no answer."""
    for program in programs:
        path = shutil.which(program)
        if path is not None:
            _answer(Path(path))


def _answer(path: Path) -> Future[str]:
    key = (path, path.stat().st_mtime_ns)
    with _asking:
        answer = _asked.get(key)
        if answer is None or (answer.done() and answer.exception() is not None):
            answer = _asked[key] = Future()
            threading.Thread(target=_ask, args=(path, answer), daemon=True).start()
        return answer


def _ask(path: Path, answer: Future[str]) -> None:
    try:
        said = subprocess.run(
            (path, "--version"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        failure = InfrastructureError(f"{path} --version: {exc}")
        failure.__cause__ = exc
        answer.set_exception(failure)
    else:
        answer.set_result(said.stdout)
