"""The kernel's ``make``: in a sandbox, ended with whoever wanted it, and watched.

In the sandbox every source tree and object tree is seen at the same place, so that objects
of a base are as good beside its patched copy.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from harness.errors import InfrastructureError
from harness.host_packages import install_command
from harness.host_version import said_version
from harness.kernel.build_log import explain_failure
from harness.kernel.sandbox import why_not, wrap
from harness.kernel.session import end_group, run_apart
from harness.progress import Task
from harness.target import Target

# Debian's packages of the programs that every kernel build calls.
_TOOLS = {"make": "make", "flex": "flex", "bison": "bison", "bc": "bc", "gcc": "gcc"}

# What a caller's environment may hold that would change the build or its key.
_NOT_INHERITED = re.compile(
    r"(?:KBUILD|KCONFIG)_.*|MAKE.*|MFLAGS|GNUMAKEFLAGS|ARCH|SUBARCH|CROSS_COMPILE|LOCALVERSION"
    r"|(?:HOST)?(?:CC|CXX|LD|AR|NM|AS|CFLAGS|CPPFLAGS|LDFLAGS)|K[AC]?(?:CPP)?FLAGS|LLVM.*|[OVWCM]"
)

# Runs make beside a reader of a pipe that only this program writes to: when this program
# is gone, however it went, the pipe closes and the reader ends the whole process group.
_GUARDED = (
    "exec 3<&0 </dev/null; (cat <&3 >/dev/null; kill -KILL 0) & "
    '"$@" 3<&-; status=$?; kill $! 2>/dev/null; exit $status'
)
_POLL_SECONDS = 0.5
_SOURCE, _OBJECTS = Path("/kernel/source"), Path("/kernel/objects")
# The kernel's Python scripts must leave no __pycache__ in somebody's source tree.
_ALWAYS = {"LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"}

_COMPILED = re.compile(rb"^  (?:CC|AS|HOSTCC|LD) ", re.MULTILINE)
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The compiler of a target: ``version`` is what it and its linker say of themselves."""

    arch: str
    cross_compile: str
    version: str
    ccache: bool

    @property
    def variables(self) -> tuple[str, ...]:
        """Variables of make; equal for equal sources, so that builds can be told apart."""
        launcher = "ccache " if self.ccache else ""
        return (
            f"ARCH={self.arch}",
            f"CROSS_COMPILE={self.cross_compile}",
            f"CC={launcher}{self.cross_compile}gcc",
            f"HOSTCC={launcher}gcc",
            "KBUILD_BUILD_TIMESTAMP=@0",
            # Not counted up in an object tree that is used again: equal kernels are equal.
            "KBUILD_BUILD_VERSION=1",
            "KBUILD_BUILD_USER=daxhound",
            "KBUILD_BUILD_HOST=daxhound",
            # Set and empty: no "+" after the release for a git tree between two tags.
            "LOCALVERSION=",
        )

    @property
    def places(self) -> tuple[Path, ...]:
        """What a build must see of the host for its compiler, where that is not in /usr.

        The folder that its bin is in; bin alone where that folder has more than a compiler.
        """
        found = shutil.which(f"{self.cross_compile}gcc")
        if found is None:
            return ()
        folders = (Path(found).absolute().parent, Path(found).resolve().parent)
        roots = {
            bin_ if Path.home().is_relative_to(bin_.parent) else bin_.parent for bin_ in folders
        }
        return tuple(sorted(root for root in roots if not root.is_relative_to("/usr")))


def find_toolchain(target: Target) -> Toolchain:
    """The tools of a target's kernel. Raises InfrastructureError that says what to install."""
    cross = target.kernel.cross_compile
    needed = {**dict.fromkeys(target.kernel.compiler, ""), **_TOOLS}
    absent = [tool for tool in needed if shutil.which(tool) is None]
    if absent:
        named = [needed[tool] for tool in absent if needed[tool]]
        packages = [*named, *(target.packages.compiler if len(named) < len(absent) else ())]
        raise InfrastructureError(
            f"{', '.join(absent)} missing on this host: {install_command(*packages)}"
        )
    found = (Path(shutil.which(tool) or tool) for tool in target.kernel.compiler)
    version = "; ".join(said_version(path).partition("\n")[0] for path in found)
    return Toolchain(target.kernel.arch, cross, version, bool(shutil.which("ccache")))


@dataclass(frozen=True, slots=True)
class Make:
    """make in one source tree for one object tree, all output in one log.

    ``ccache`` is the folder in which ccache keeps what is compiled, for all who are given
    the same; it keeps nothing where there is none. ``linked`` is a tree that ``source``
    leads to by links.
    """

    source: Path
    objects: Path
    toolchain: Toolchain
    log: Path
    ccache: Path | None = None
    linked: Path | None = None

    def seen(self, path: Path) -> Path:
        """Where make sees a path in its source tree or its object tree."""
        for tree, place in self._places.items():
            if path.is_relative_to(tree):
                return place / path.relative_to(tree)
        return path

    def run(
        self,
        targets: Sequence[str],
        *,
        jobs: int,
        environ: Mapping[str, str] | None = None,
        task: Task | None = None,
    ) -> None:
        """Make ``targets``; ``task`` advances with every object.

        Raises KernelFailure with the compiler's first complaint, and InfrastructureError
        where it is the host that failed.
        """
        with self.log.open("ab") as out:
            process = self._start(targets, jobs, environ or {}, out)
        try:
            self._watch(process, task or Task())
        finally:
            end_group(process)
        if process.returncode in (_KILLED, -signal.SIGKILL):
            raise InfrastructureError(
                f"make for the {self.toolchain.arch} kernel was killed, as a host does that runs"
                f" out of memory\n  log: {self.log}"
            )
        if process.returncode != 0:
            raise explain_failure(self.log, self.toolchain.arch, _SOURCE)

    def compile(self, command: Sequence[str], program: str) -> subprocess.CompletedProcess[str]:
        """A compiler's command in the object tree, as make would run it: it is the tree's.

        It reads ``program`` from its standard input: a file would be written to a tree in
        which a stranger's Makefile may have put a link in its place.
        """
        return run_apart(
            self._sandboxed(command, {}),
            directory=self.objects,
            environ={**_environment(), **self._caching},
            text=program,
        )

    def _start(
        self, targets: Sequence[str], jobs: int, environ: Mapping[str, str], out: BinaryIO
    ) -> subprocess.Popen[bytes]:
        source, objects = self.seen(self.source), self.seen(self.objects)
        where = ("-C", str(source), f"O={objects}", f"-j{jobs}")
        command = ("make", *where, *self.toolchain.variables, *targets)
        return subprocess.Popen(
            ("sh", "-c", _GUARDED, "sh", *self._sandboxed(command, environ)),
            env={**_environment(), **self._caching, **environ},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _sandboxed(self, command: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
        writable = [self.objects, *((self.ccache,) if self.ccache else ())]
        inside = {name: s for name, s in os.environ.items() if name.startswith("CCACHE_")}
        inside |= {**_ALWAYS, **self._caching, "CCACHE_TEMPDIR": "/tmp", **environ}
        return wrap(
            command,
            readable=(
                self.source,
                *self.toolchain.places,
                *((self.linked,) if self.linked else ()),
            ),
            writable=writable,
            environ=inside,
            directory=self.seen(self.objects),
            seen_as=self._places,
        )

    @property
    def _places(self) -> dict[Path, Path]:
        return {} if why_not() else {self.objects: _OBJECTS, self.source: _SOURCE}

    @property
    def _caching(self) -> dict[str, str]:
        if self.ccache is None:
            return {"CCACHE_DISABLE": "true"}
        # Else all that is compiled for the first time is preprocessed before, a quarter of a
        # build. That finds what another configuration shares; make is given its objects for it.
        return {"CCACHE_DEPEND": "true", "CCACHE_DIR": str(self.ccache)}

    def _watch(self, process: subprocess.Popen[bytes], task: Task) -> None:
        with self.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            running = True
            while running:
                try:
                    process.wait(timeout=_POLL_SECONDS)
                    running = False
                except subprocess.TimeoutExpired:
                    pass
                # Called even with nothing done: a line is due every so often.
                task.advance(len(_COMPILED.findall(log.read())))


def _environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not _NOT_INHERITED.fullmatch(name)}
    return {**kept, **_ALWAYS}


@cache
def users_ccache() -> Path | None:
    """Where this user's ccache is, made where it is not there yet; None without a ccache."""
    if shutil.which("ccache") is None:
        return None
    command = ("ccache", "--get-config", "cache_dir")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout.strip():
        return None
    path = Path(done.stdout.strip())
    path.mkdir(parents=True, exist_ok=True)
    return path
