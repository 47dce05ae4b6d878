"""Where this host gets Debian's packages from: read out of its own apt configuration.

apt itself parses its sources, in either of their two formats. Nothing is changed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError, UserError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR_VARIABLES = ("DAXHOUND_MIRROR", "DAXHOUND_SECURITY_MIRROR")

_TARGET_FORMAT = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)"
_RELEASE_FILE = re.compile(r"'(?P<uri>.+)/dists/(?P<suite>[^/']+)/InRelease' ")
# Proxies, certificates, and whether a mirror may stand still: how the host reaches and
# judges its mirrors at all. What lets unsigned packages in is not among them.
_TRANSPORT = re.compile(r"Acquire::(?:http|https|ftp|tor|Check-Valid-Until|Max-ValidTime)\b")


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Addresses of the folders that hold Debian's ``dists/``.

    A host without a source for security updates (a fresh debootstrap) gets the folder that
    mirrors have beside ``debian``: kernels of -security are newer by a year and more.
    """

    archive: str
    security: str | None = None

    @property
    def security_or_sibling(self) -> str | None:
        """The mirror of the -security suites, as configured or as mirrors are laid out."""
        if self.security is None and self.archive.rstrip("/").endswith("/debian"):
            return f"{self.archive.rstrip('/')}-security"
        return self.security


@dataclass(frozen=True, slots=True)
class AptHost:
    """What a private apt configuration takes over from the host's.

    ``transport`` holds lines of apt.conf; ``keyring`` is None where the host has no
    keyring of Debian's archive, and its trusted keys then decide.
    """

    mirrors: Mirrors
    architecture: str
    transport: tuple[str, ...] = ()
    keyring: Path | None = None


def read_host(suites: Iterable[str], environ: Mapping[str, str] = os.environ) -> AptHost:
    """The host's mirrors, ``$DAXHOUND_MIRROR`` and ``$DAXHOUND_SECURITY_MIRROR`` first.

    ``suites`` are the names that Debian's suites are known by, for a host whose package
    lists were never read. Raises UserError where no mirror is found, and
    InfrastructureError where the host has no apt.
    """
    configuration = run_apt(("apt-config", "dump")).splitlines()
    return AptHost(
        mirrors=find_mirrors(suites, environ),
        architecture=_option(configuration, "APT::Architecture"),
        transport=tuple(line for line in configuration if _TRANSPORT.match(line)),
        keyring=KEYRING if KEYRING.exists() else None,
    )


def find_mirrors(suites: Iterable[str], environ: Mapping[str, str] = os.environ) -> Mirrors:
    """The environment's mirrors or the host's. Raises UserError where there are none."""
    return _chosen_mirrors(environ) or _configured_mirrors(suites)


def parse_index_targets(text: str) -> Mirrors | None:
    """Debian's mirrors from ``apt-get indextargets`` in the format origin|codename|URI."""
    rows = [line.split("|", 2) for line in text.splitlines() if line.count("|") >= 2]
    return _pick((codename, uri) for origin, codename, uri in rows if origin == "Debian")


def parse_release_files(text: str, suites: Iterable[str]) -> Mirrors | None:
    """Debian's mirrors from ``apt-get update --print-uris``: known by their suites' names.

    Other archives have suites of other names, and one that has not is found out by its
    signature.
    """
    known = set(suites)
    matches = _RELEASE_FILE.finditer(text)
    return _pick((match["suite"], match["uri"]) for match in matches if match["suite"] in known)


def run_apt(
    command: Sequence[str], environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Standard output of an apt tool; InfrastructureError where it fails or is missing."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(environ or {}), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # its configuration may be in any encoding
            check=True,
        )
    except FileNotFoundError as exc:
        raise InfrastructureError(
            f"{command[0]} is missing: kernels and guest programs come from Debian by apt"
        ) from exc
    except subprocess.CalledProcessError as exc:
        words = " ".join(_complaints(exc.stderr)) or f"exit status {exc.returncode}"
        raise InfrastructureError(f"{_name(command)}: {words}") from exc
    return done.stdout


def _complaints(stderr: str) -> tuple[str, ...]:
    """What apt says in its error lines, once each."""
    lines = (line.strip().removeprefix("E: ") for line in stderr.splitlines() if "E: " in line)
    return tuple(dict.fromkeys(lines))


def _name(command: Sequence[str]) -> str:
    """The tool and its verb, without options."""
    words = [word for word in command if not word.startswith("-") and "=" not in word]
    return " ".join(words[:2])


def _chosen_mirrors(environ: Mapping[str, str]) -> Mirrors | None:
    archive, security = (environ.get(name) for name in MIRROR_VARIABLES)
    return Mirrors(archive, security) if archive else None


def _configured_mirrors(suites: Iterable[str]) -> Mirrors:
    targets = run_apt(("apt-get", "indextargets", "--format", _TARGET_FORMAT))
    if found := parse_index_targets(targets):
        return found
    # A host whose lists were never read (a fresh container) knows no origins yet.
    files = run_apt(("apt-get", "update", "--print-uris"))
    if found := parse_release_files(files, suites):
        return found
    raise UserError(
        "no Debian mirror among this host's apt sources",
        hint="DAXHOUND_MIRROR=<address of the folder that holds dists/>, and "
        "DAXHOUND_SECURITY_MIRROR likewise for the -security suites",
    )


def _pick(found: Iterable[tuple[str, str]]) -> Mirrors | None:
    archive: str | None = None
    security: str | None = None
    for suite, uri in found:
        if suite.endswith("-security"):
            security = security or uri.rstrip("/")
        else:
            archive = archive or uri.rstrip("/")
    return Mirrors(archive, security) if archive else None


def _option(configuration: Iterable[str], name: str) -> str:
    prefix = f"{name} "
    return next(
        line.removeprefix(prefix).strip('";') for line in configuration if line.startswith(prefix)
    )
