"""Where a kernel is built: a series' Makefiles are programs that somebody else wrote.

bubblewrap shows them the source tree (read-only), the object tree, /usr (read-only) and
nothing else: no network, no home, no process of the host, no terminal. Where bwrap is
missing or the host lets nobody create namespaces, builds run without it, and that is said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from harness.host_packages import install_command

SWITCH = "DAXHOUND_SANDBOX"

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
_TRIAL_SECONDS = 20.0
_AS_THEY_ARE: Mapping[Path, Path] = {}


def wrap(
    command: Sequence[str],
    *,
    readable: Iterable[Path],
    writable: Iterable[Path],
    environ: Mapping[str, str],
    directory: Path | None = None,
    seen_as: Mapping[Path, Path] = _AS_THEY_ARE,
) -> tuple[str, ...]:
    """The command line that runs ``command`` in the sandbox; itself where there is none.

    ``readable`` and ``writable`` are the paths that it sees beside /usr, at the places that
    ``seen_as`` has for them; ``environ`` is its whole environment, PATH and HOME apart. It
    ends with the process that started it.
    """
    if why_not() is not None:
        return tuple(command)
    return (
        *_base(),
        *_binds("--ro-bind", readable, seen_as),
        *_binds("--bind", writable, seen_as),
        *(("--chdir", str(directory)) if directory else ()),
        *(word for name, text in environ.items() for word in ("--setenv", name, text)),
        *("--setenv", "PATH", _PATH, "--setenv", "HOME", "/tmp", "--setenv", "TMPDIR", "/tmp"),
        "--",
        *command,
    )


@cache
def why_not() -> str | None:
    """Why builds run without the sandbox, for a person; None where they run in it."""
    if os.environ.get(SWITCH) == "off":
        return f"${SWITCH} is off"
    if shutil.which("bwrap") is None:
        return f"bwrap is missing: {install_command('bubblewrap')}"
    command = (*_base(), "--", "true")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TRIAL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"bwrap cannot be run: {exc}"
    if done.returncode != 0:
        return f"bwrap cannot create namespaces here: {done.stderr.strip()}"
    return None


def _base() -> tuple[str, ...]:
    """What every sandbox is made of."""
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--clearenv", "--hostname", "daxhound"]
    words += ["--new-session"]  # /dev has a tty, which is else the user's
    words += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for name in _TOP:
        top = Path("/", name)
        if top.is_symlink():
            words += ["--symlink", str(top.readlink()), str(top)]
        elif top.is_dir():
            words += ["--ro-bind", str(top), str(top)]
    for path in _ETC:
        words += ["--ro-bind-try", path, path]
    return tuple(words)


def _binds(option: str, paths: Iterable[Path], seen_as: Mapping[Path, Path]) -> Iterable[str]:
    for path in paths:
        yield from (option, str(path), str(seen_as.get(path, path)))


def python_paths() -> tuple[Path, ...]:
    """What this Python needs to run, where it is not in /usr."""
    roots = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    return tuple(sorted(root for root in roots if not root.is_relative_to("/usr")))
