"""What the host needs, by Debian's names of packages, and what others call them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.yaml_document import Record, load_document

HOST_YAML = Path(__file__).with_name("host.yaml")
OS_RELEASE = Path("/etc/os-release")

APT = "apt-get install --no-install-recommends"


class HostPackage(Record):
    """One package; ``shown_by`` is a command on PATH, or the absolute path of a file."""

    package: str
    shown_by: str
    why: str

    @property
    def is_shown(self) -> bool:
        """Whether a host without dpkg has it."""
        return Path(self.shown_by).exists() or shutil.which(self.shown_by) is not None


class Manager(Record):
    """What installs packages on some distributions.

    ``names`` are those that differ from Debian's; a null is a package that there is none of.
    """

    command: str
    distributions: tuple[str, ...]
    names: dict[str, str | None]

    def names_of(self, packages: Iterable[str]) -> tuple[str, ...]:
        """Names for packages by Debian's, each once; those that there are none of left out."""
        known = (self.names.get(package, package) for package in packages)
        words = (word for name in known if name is not None for word in name.split())
        return tuple(dict.fromkeys(words))

    def install(self, packages: Iterable[str]) -> str | None:
        """The command that installs packages by Debian's names; None where there are none."""
        names = self.names_of(packages)
        return f"{self.command} {' '.join(names)}" if names else None


class HostPackages(Record):
    """``host.yaml``."""

    build: tuple[HostPackage, ...]
    managers: tuple[Manager, ...]

    def manager(self, os_release: Mapping[str, str]) -> Manager:
        """Of the distribution that os-release(5) names; apt-get where none knows it."""
        names = f"{os_release.get('ID', '')} {os_release.get('ID_LIKE', '')}"
        words = names.replace("-", " ").split()
        debian = Manager(command=APT, distributions=("debian",), names={})
        for word in words:
            for manager in (debian, *self.managers):
                if word in manager.distributions:
                    return manager
        return debian


def load_host_packages() -> HostPackages:
    return load_document(HOST_YAML, HostPackages)


def read_os_release() -> dict[str, str]:
    """The host's own os-release(5); empty where it has none."""
    if not OS_RELEASE.exists():
        return {}
    lines = OS_RELEASE.read_text(encoding="utf-8").splitlines()
    entries = (line.split("=", 1) for line in lines if "=" in line)
    return {name: value.strip("\"'") for name, value in entries}


def this_manager() -> Manager:
    """The one of this host."""
    return load_host_packages().manager(read_os_release())


def install_command(*packages: str) -> str:
    """What to type on this host for packages by Debian's names; those names where nothing does."""
    return this_manager().install(packages) or f"a package such as Debian's {', '.join(packages)}"
