"""Debian packages by a private apt: its own lists, cache and an empty dpkg status.

Any suite and any architecture, without root, and nothing of the host's packaging is read
for writing. Signatures are checked by apt, as on any Debian system.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.apt.host import AptHost, run_apt
from harness.apt.known import known_host
from harness.apt.lists import Lists
from harness.errors import InfrastructureError, UserError
from harness.store import Store, digest
from harness.whole_file import write_whole

_PRINTED_URI = re.compile(r"^'[^']+' (?P<file>\S+) ", re.MULTILINE)
_PLANNED = re.compile(
    r"Inst (?P<name>[^\s:]+)\S* \((?P<version>\S+) .*\[(?P<architecture>[^]]+)\]\)"
)
_NOT_THERE = (
    "Unable to find a source package",
    "Unable to locate package",
    "was not found",
    "has no installation candidate",
)


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite of Debian's archive, by its codename: ``bookworm``, ``trixie-security``."""

    name: str
    component: str = "main"

    @property
    def kind(self) -> Literal["archive", "security"]:
        """Which of the two mirrors serves it."""
        return "security" if self.name.endswith("-security") else "archive"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version of a package, and the suite that has it."""

    version: str
    suite: str


class PrivateApt:
    """apt over ``suites`` for ``architectures``, as if nothing were installed.

    ``architectures`` are Debian's names; none means the host's own, which is all that
    packages for every architecture (kernel sources) need. One process at a time looks at the
    lists (:mod:`harness.apt.lists`). With ``sources`` it is source
    packages that they list, and no others.
    """

    def __init__(
        self,
        store: Store,
        suites: Sequence[Suite],
        architectures: Sequence[str] = (),
        host: AptHost | None = None,
        pause: Callable[[float], None] = time.sleep,
        sources: bool = False,
    ) -> None:
        self._store = store
        self._kind = "deb-src" if sources else "deb"
        self._suites = tuple(suites)
        self._host = host or known_host(store, (suite.name for suite in suites))
        self._architectures = tuple(architectures) or (self._host.architecture,)
        self._sources = "".join(f"{self._source(suite)}\n" for suite in self._suites)
        self._key = digest(self._sources, *self._architectures, *self._host.transport)[:16]
        # apt is told where it is: also to whoever shares this folder by a link to it.
        self._root = (store.root / "apt" / self._key).resolve()
        names = tuple(suite.name for suite in suites)
        self._lists = Lists(self._root, names, self._refresh, store.tell, pause)

    def candidates(self, package: str) -> tuple[Candidate, ...]:
        """Every version of a package and the suite it is in, newest first."""
        with self._ready():
            rows = self._remembered("apt-cache", "madison", package).splitlines()
        return tuple(_parse_madison(row) for row in rows if row.rstrip().endswith("Packages"))

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names of all packages that start with ``prefix``, sorted."""
        with self._ready():
            return tuple(sorted(set(self._run("apt-cache", "pkgnames", prefix).split())))

    def download(self, packages: Sequence[str], into: Path) -> tuple[Path, ...]:
        """Fetch .deb files into a directory; their paths, sorted.

        A package is ``name``, ``name:architecture`` or either with ``=version``. Raises
        UserError for one that no suite has.
        """
        if not packages:
            return ()
        with self._ready():
            printed = self._run("apt-get", "download", "--print-uris", *packages)
            self._run("apt-get", "download", "-q", *packages, cwd=into)
        return tuple(sorted({into / match["file"] for match in _PRINTED_URI.finditer(printed)}))

    def download_source(self, package: str, into: Path) -> Path:
        """Fetch the upstream archive of the newest source package of that name; its path.

        Raises UserError for one that no suite has.
        """
        only = ("--download-only", "--tar-only")
        with self._ready():
            printed = self._run("apt-get", "source", "--print-uris", *only, package)
            self._run("apt-get", "source", "-q", *only, package, cwd=into)
        files = [match["file"] for match in _PRINTED_URI.finditer(printed)]
        if len(files) != 1:
            raise InfrastructureError(f"{package} has no single upstream archive: {files}")
        return into / files[0]

    def closure(self, packages: Sequence[str], architecture: str) -> tuple[str, ...]:
        """The packages and all that they depend on, as apt resolves it from nothing.

        Each is ``name:architecture=version``, which ``download`` takes; sorted; the
        architecture may be ``all``. Packages that are only recommended are left out.
        """
        if architecture not in self._architectures:
            raise ValueError(f"{architecture} is not among {self._architectures}")
        with self._ready():
            # As a machine of that architecture sees it: packages for every architecture
            # count as native, and no dependency is met by another architecture's.
            alone = (f"APT::Architecture={architecture}", f"APT::Architectures={architecture}")
            options = [word for option in alone for word in ("-o", option)]
            install = ("install", "--simulate", "--no-install-recommends")
            planned = self._run("apt-get", *options, *install, *packages)
        lines = (_PLANNED.match(line) for line in planned.splitlines())
        return tuple(sorted(_qualified(line) for line in lines if line is not None))

    def _source(self, suite: Suite) -> str:
        mirrors = self._host.mirrors
        address = mirrors.security_or_sibling if suite.kind == "security" else mirrors.archive
        if address is None:
            raise UserError(
                f"no mirror is known for the suite {suite.name}",
                hint="DAXHOUND_SECURITY_MIRROR=<address of the folder that holds its dists/>",
            )
        options = f"arch={','.join(self._architectures)}"
        if self._host.keyring is not None:
            options += f" signed-by={self._host.keyring}"
        return f"{self._kind} [{options}] {address} {suite.name} {suite.component}"

    @property
    def _said(self) -> Path:
        """What apt said of the lists that there are."""
        return self._root / "said"

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Hold this configuration's lock, with lists."""
        with self._store.lock(f"apt-{self._key}", "reads package lists"):
            with self._store.host_errors():
                self._lists.make_ready()
            yield

    def _write_configuration(self) -> None:
        for name in ("state", "lists/partial", "cache/archives/partial", "log", "none", "dpkg"):
            (self._root / name).mkdir(parents=True, exist_ok=True)
        (self._root / "dpkg/status").touch()
        (self._root / "sources.list").write_text(self._sources)
        (self._root / "apt.conf").write_text(self._configuration())

    def _configuration(self) -> str:
        root = self._root
        options = {
            "Dir::State": f"{root}/state",
            "Dir::State::lists": f"{root}/lists",
            "Dir::State::status": f"{root}/dpkg/status",
            "Dir::Cache": f"{root}/cache",
            "Dir::Log": f"{root}/log",
            "Dir::Etc::sourcelist": f"{root}/sources.list",
            "Dir::Etc::sourceparts": f"{root}/none",
            # The host's own hooks, pins and AllowInsecure settings stay out.
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": f"{root}/none",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": f"{root}/none",
            "APT::Architecture": self._host.architecture,
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        if os.geteuid() == 0:
            # As root, apt downloads as the user _apt, who may not write in a cache directory.
            options["APT::Sandbox::User"] = "root"
        lines = [f'{name} "{value}";' for name, value in options.items()]
        listed = " ".join(f'"{name}";' for name in self._architectures)
        return "\n".join([*self._host.transport, *lines, f"APT::Architectures {{ {listed} }};", ""])

    def _refresh(self) -> None:
        self._write_configuration()
        shutil.rmtree(self._said, ignore_errors=True)
        # The waits between attempts here are longer than those between apt's own retries.
        self._run("apt-get", "update", "-q", "-o", "Acquire::Retries=0")

    def _remembered(self, *command: str) -> str:
        """What apt said, and would say again until the lists are read anew: it takes 60 ms."""
        path = self._said / digest(*command)[:16]
        with suppress(OSError):
            return path.read_text(encoding="utf-8")
        said = self._run(*command)
        with suppress(OSError):  # not remembered is no harm
            path.parent.mkdir(exist_ok=True)
            write_whole(path, said.encode())
        return said

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        try:
            return run_apt(command, {"APT_CONFIG": str(self._root / "apt.conf")}, cwd)
        except InfrastructureError as exc:
            if any(words in str(exc) for words in _NOT_THERE):
                names = ", ".join(suite.name for suite in self._suites)
                raise UserError(f"{exc} (looked in {names})") from exc
            raise


def _qualified(planned: re.Match[str]) -> str:
    return f"{planned['name']}:{planned['architecture']}={planned['version']}"


def _parse_madison(row: str) -> Candidate:
    """One row of apt-cache madison: ``name | version | URI suite/component arch Packages``."""
    _, version, place = (column.strip() for column in row.split("|", 2))
    return Candidate(version, place.split()[1].partition("/")[0])
