"""Which QEMU runs a target: the newest one that the host has.

What a guest shows depends on QEMU's version (opcodes, firmware, machine options), so the
exact one is found by asking the binary, and is recorded with every result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError
from harness.host_packages import install_command
from harness.host_version import said_version

QEMU_DIRECTORY = "DAXHOUND_QEMU"

_VERSION = re.compile(r"QEMU emulator version (\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Emulator:
    """One QEMU binary: ``version`` is (major, minor, micro), ``banner`` its own first line."""

    path: Path
    version: tuple[int, int, int]
    banner: str


def find_emulator(binary: str, packages: tuple[str, ...] = ()) -> Emulator:
    """The newest ``binary`` on PATH, or that of $DAXHOUND_QEMU alone where it is set.

    A directory named on purpose decides, be its QEMU older: that is how one is tried.

    Raises InfrastructureError where there is none; ``packages`` says what would bring it.
    """
    found = [read_version(path) for path in _candidates(binary, os.environ)]
    if not found:
        remedy = f": {install_command(*packages)}" if packages else ""
        place = f"${QEMU_DIRECTORY}" if os.environ.get(QEMU_DIRECTORY) else "$PATH"
        raise InfrastructureError(f"{binary} is not in {place}{remedy}")
    return max(found, key=lambda emulator: emulator.version)


def read_version(path: Path) -> Emulator:
    """Ask one binary what it is, once. Raises InfrastructureError where it does not say."""
    return Emulator(path, *parse_version(said_version(path), path))


def parse_version(text: str, path: Path) -> tuple[tuple[int, int, int], str]:
    """(version, first line) of what ``--version`` printed."""
    match = _VERSION.search(text)
    if match is None:
        raise InfrastructureError(f"{path} --version names no version: {text[:200]!r}")
    return (int(match[1]), int(match[2]), int(match[3])), text.splitlines()[0]


def _candidates(binary: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """Executables of that name, each file once however many names lead to it."""
    chosen = environment.get(QEMU_DIRECTORY)
    directories = [chosen] if chosen else os.get_exec_path(environment)
    seen: set[Path] = set()
    for directory in filter(None, directories):
        path = Path(directory, binary)
        real = path.resolve()
        if real not in seen and path.is_file() and os.access(path, os.X_OK):
            seen.add(real)
            yield path
