"""virtme-ng and tuxrun, installed in the store and nowhere else.

Both are of PyPI. What tuxrun drives, LAVA's dispatcher, is a container of its makers' or, with
``--runtime null``, a program on the host, which Debian has: its packages are unpacked, not
installed, and what they import comes from PyPI as well.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.apt.private import PrivateApt, Suite
from harness.errors import InfrastructureError
from harness.store import Store, digest

_KIND = "bench-peers"
_VIRTME_NG = ("virtme-ng==1.42",)
_TUXRUN = ("tuxrun==1.11.0", "tuxlava==0.28.0")
_IMPORTED_BY_LAVA = (
    *("aiohttp", "configobj", "netifaces-plus", "pexpect", "python-magic", "pyudev", "pytz"),
    *("pyyaml", "requests", "setproctitle", "voluptuous"),
)
_SUITE = "bookworm"
_DISPATCHER = ("cpio", "lava-common", "lava-dispatcher", "lava-dispatcher-host")
_DEBIAN_PYTHON = "usr/lib/python3/dist-packages"
# 2023.01 has one folder for everybody's downloads, below /var; later ones can be told another.
_LAVA_RUN = """\
#!/bin/sh
exec {python} "$0.py" "$@"
"""
_LAVA_RUN_PY = """\
import os, runpy, sys
import lava_common.constants
lava_common.constants.DISPATCHER_DOWNLOAD_DIR = os.environ["TMPDIR"]
runpy.run_path(sys.path[0] + "/../debian/usr/bin/lava-run", run_name="__main__")
"""


def provide_virtme_ng(store: Store) -> Path:
    """The folder of virtme-ng. Raises InfrastructureError where there is no PyPI."""
    return store.provide(
        _KIND, _key("virtme-ng", _VIRTME_NG), lambda into: _install(_VIRTME_NG, into)
    )


def provide_tuxrun(store: Store) -> Path:
    """The folder of tuxrun and of LAVA's dispatcher. Raises as :func:`provide_virtme_ng` does."""
    wanted = (*_TUXRUN, *_IMPORTED_BY_LAVA)

    def build(into: Path) -> None:
        _install(wanted, into)
        _unpack(_DISPATCHER, store, into / "debian")
        # Imported from the start, called for images of ext4 alone.
        (into / "python" / "guestfs.py").touch()
        programs = into / "bin"
        programs.mkdir()
        (programs / "lava-run.py").write_text(_LAVA_RUN_PY)
        (programs / "lava-run").write_text(_LAVA_RUN.format(python=shlex.quote(sys.executable)))
        (programs / "lava-run").chmod(0o755)

    parts = (*wanted, _SUITE, *_DISPATCHER, _LAVA_RUN, _LAVA_RUN_PY)
    return store.provide(_KIND, _key("tuxrun", parts), build)


def environment_of(tools: Path, home: Path, qemu: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What a peer runs with: its own modules, QEMU of a folder, ``home`` for what it leaves."""
    path = (qemu, tools / "bin", tools / "debian" / "bin", tools / "python" / "bin", given["PATH"])
    ours = {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PATH": ":".join(map(str, path)),
        "PYTHONPATH": f"{tools / 'python'}:{tools / 'debian' / _DEBIAN_PYTHON}",
        # Lines are timed as they come.
        "PYTHONUNBUFFERED": "1",
    }
    return {name: value for name, value in given.items() if not name.startswith("XDG_")} | ours


def _key(name: str, parts: Sequence[str]) -> str:
    return f"{name}-{digest(*parts, sys.executable, sys.version)[:16]}"


def _install(requirements: Sequence[str], into: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _run([*pip, "--target", str(into / "python"), *requirements])


def _unpack(packages: Sequence[str], store: Store, into: Path) -> None:
    into.mkdir()
    for deb in PrivateApt(store, [Suite(_SUITE)]).download(packages, into):
        _run(["dpkg-deb", "-x", str(deb), str(into)])
        deb.unlink()


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise InfrastructureError(f"{shlex.join(command[:4])}: {lines[-1]}")
