"""Object trees of bases in the store, for what is built on them; no guest needs them.

They will do where make sees every tree at the same place, which is in the sandbox.
"""

from __future__ import annotations

from pathlib import Path

from harness.kernel.object_dates import date_anew
from harness.kernel.sandbox import why_not
from harness.kernel.unpacking import check_done, run_tar
from harness.store import Store

_KIND, _FILE = "objects", "objects.tar.gz"
_LINKED = ("./vmlinux*", "./.tmp_vmlinux*", "./arch/*/boot/*mage*")


def pack_objects(store: Store, key: str, objects: Path) -> Path | None:
    """Keep what compiling takes long to make: all of an object tree but the kernels linked of it.

    None where nobody could build on it. Raises InfrastructureError.
    """
    if why_not() is not None:
        return None
    return store.provide(_KIND, key, lambda into: _pack(objects, into / _FILE)) / _FILE


def find_objects(store: Store, key: str) -> Path | None:
    """What was packed under that key, where it was and can be built on."""
    entry = store.find(_KIND, key) if why_not() is None else None
    return entry and entry / _FILE


def unpack_objects(packed: Path, into: Path) -> None:
    """An object tree again, in an empty folder, as if made now in the order in which it was.

    So what was patched in its source tree once and is as before, is older. Raises
    InfrastructureError.
    """
    check_done(run_tar("--extract", "--file", packed, "--directory", into))
    date_anew(into)


def _pack(objects: Path, file: Path) -> None:
    linked = [f"--exclude={name}" for name in _LINKED]
    # posix: make compares times to the nanosecond.
    pack = ("--create", "--format=posix", "--use-compress-program=gzip -1", "--file", file)
    check_done(run_tar(*pack, *linked, "--directory", objects, "."))
