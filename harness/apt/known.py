"""What apt said of this host, asked again when a file that apt reads has changed.

Each of apt's tools takes a tenth of a second and more to answer, which is most of what it
takes to find a kernel and an image that are in the store.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pydantic

from harness.apt.host import KEYRING, MIRROR_VARIABLES, AptHost, read_host
from harness.store import Store, digest
from harness.whole_file import write_whole

_CONFIGURATION = Path("/etc/apt")
_LISTS = Path("/var/lib/apt/lists")


@dataclass(frozen=True, slots=True)
class _Answer:
    """``asked_of`` has the state of the files that it was read from."""

    asked_of: str
    host: AptHost


_ANSWER = pydantic.TypeAdapter(_Answer)


def known_host(
    store: Store,
    suites: Iterable[str],
    environ: Mapping[str, str] = os.environ,
    configuration: Path = _CONFIGURATION,
) -> AptHost:
    """:func:`read_host`, remembered in the store. Raises as it does.

    With ``$APT_CONFIG`` apt may read files from anywhere: nothing is remembered then.
    """
    names = tuple(suites)
    if "APT_CONFIG" in environ:
        return read_host(names, environ)
    state = _state(configuration, environ)
    path = store.root / "apt" / f"host-{digest(*names)[:16]}.json"
    known = _read(path)
    if known is not None and known.asked_of == state:
        return known.host
    host = read_host(names, environ)
    with suppress(OSError):  # not remembered is no harm
        write_whole(path, _ANSWER.dump_json(_Answer(state, host)))
    return host


def _state(configuration: Path, environ: Mapping[str, str]) -> str:
    # By their stamps: passwords for mirrors (auth.conf) are for root alone to read.
    files = sorted(path for path in configuration.rglob("*") if path.is_file())
    there = (path for path in (*files, _LISTS, KEYRING) if path.exists())
    stamps = ((path, path.stat()) for path in there)
    chosen = (environ.get(name, "") for name in MIRROR_VARIABLES)
    return digest(*(f"{path} {at.st_size} {at.st_mtime_ns}" for path, at in stamps), *chosen)


def _read(path: Path) -> _Answer | None:
    try:
        return _ANSWER.validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
