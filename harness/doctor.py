"""What this host can run, what is missing, and the command that installs it.

Reads the host (dpkg, PATH, QEMU's versions); installs only when asked to, and says what.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.apt_host import read_host
from harness.errors import InfrastructureError, UserError
from harness.machine.versions import Emulator, find_emulator
from harness.target import Target
from harness.yaml_document import load_documents

HOST_PACKAGES = Path(__file__).with_name("host.yaml")

# The first QEMU with pseries x-vof that boots, mapped-ram and a stable nvdimm on virt.
PREFERRED_QEMU = (10, 0)


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """One target on this host: ``qemu`` is a version, ``missing`` Debian package names."""

    target: str
    qemu: tuple[int, ...] | None
    missing: tuple[str, ...]
    note: str

    @property
    def ready(self) -> bool:
        return not self.missing


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What doctor found."""

    targets: tuple[TargetHealth, ...]
    missing_tools: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Every missing package, once, in a stable order."""
        names = [*self.missing_tools, *(p for t in self.targets for p in t.missing)]
        return tuple(dict.fromkeys(names))

    @property
    def install_command(self) -> str | None:
        """The command that brings what is missing; None where nothing is."""
        if not self.missing:
            return None
        return "apt-get install --no-install-recommends " + " ".join(self.missing)


def diagnose(targets: Iterable[Target]) -> Diagnosis:
    """Look at the host; starts nothing but version queries."""
    chosen = tuple(targets)
    entries = load_documents(HOST_PACKAGES)[0].data["build"]
    tools = [entry["package"] for entry in entries]
    host = _host_architecture()
    wanted = {target.name: _packages(target, host) for target in chosen}
    absent = _absent({*tools, *(name for names in wanted.values() for name in names)})
    return Diagnosis(
        targets=tuple(_health(target, wanted[target.name], absent) for target in chosen),
        missing_tools=tuple(name for name in tools if name in absent),
    )


def _packages(target: Target, host: str) -> tuple[str, ...]:
    """Packages of one target; the native compiler is the host's own gcc."""
    compiler = () if target.debian == host else target.packages.compiler
    return (*compiler, *target.packages.qemu)


def _health(target: Target, wanted: tuple[str, ...], absent: set[str]) -> TargetHealth:
    emulator = _emulator(target)
    missing = [name for name in wanted if name in absent]
    if emulator is not None:
        # A QEMU from elsewhere on PATH serves as well as Debian's.
        missing = [name for name in missing if not name.startswith("qemu-system")]
    note = ""
    if emulator is not None and emulator.version[:2] < PREFERRED_QEMU:
        note = "older than 10.0: ppc64 boots through SLOF, about 4 s longer each"
    return TargetHealth(target.name, emulator.version if emulator else None, tuple(missing), note)


def _emulator(target: Target) -> Emulator | None:
    try:
        return find_emulator(target.qemu.binary)
    except InfrastructureError:
        return None


def _host_architecture() -> str:
    return _output(["dpkg", "--print-architecture"]).strip()


def _absent(names: Iterable[str]) -> set[str]:
    """Those of ``names`` that dpkg does not have installed."""
    wanted = sorted(set(names))
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    there = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return set(wanted) - there


def _output(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as exc:
        raise InfrastructureError(f"{command[0]} failed: {exc}") from exc


def install(packages: Sequence[str]) -> None:
    """Install packages by apt-get as root or by sudo; QEMU from backports where it is newer.

    The host's own sources are left as they are: backports are read through a private
    list. Raises UserError without root, InfrastructureError where apt fails.
    """
    prefix = _root_prefix(packages)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    emulators = [name for name in packages if name.startswith("qemu-system")]
    others = [name for name in packages if name not in emulators]
    with tempfile.TemporaryDirectory(prefix="daxhound-apt-") as directory:
        _apt(prefix, ["update"], environment)
        if others:
            _apt(prefix, ["install", "-y", "--no-install-recommends", *others], environment)
        if emulators:
            options = _backports(prefix, Path(directory), environment)
            command = [*options, "install", "-y", "--no-install-recommends", *emulators]
            _apt(prefix, command, environment)


def _root_prefix(packages: Sequence[str]) -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        return ["sudo", "--preserve-env=DEBIAN_FRONTEND"]
    raise UserError(
        "packages are missing and neither root nor sudo is at hand",
        hint="as root: apt-get install --no-install-recommends " + " ".join(packages),
    )


def _backports(prefix: list[str], directory: Path, environment: dict[str, str]) -> list[str]:
    """apt options that add the release's backports, or none where there are no such."""
    codename = _codename()
    if codename is None or not codename.startswith("bookworm"):
        return []
    own = Path("/etc/apt/sources.list")
    listing = directory / "sources.list"
    text = own.read_text(encoding="utf-8") if own.exists() else ""
    uri = read_host([codename]).mirrors.archive
    listing.write_text(f"{text}\ndeb {uri} {codename}-backports main\n", encoding="utf-8")
    lists = directory / "lists"
    (lists / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::Etc::SourceList={listing}", "-o", f"Dir::State::Lists={lists}"]
    try:
        _apt(prefix, [*options, "update"], environment)
    except InfrastructureError:
        return []
    return [*options, "-t", f"{codename}-backports"]


def _codename() -> str | None:
    release = Path("/etc/os-release")
    if not release.exists():
        return None
    lines = release.read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("VERSION_CODENAME", "").strip('"') or None


def _apt(prefix: list[str], arguments: Sequence[str], environment: dict[str, str]) -> None:
    command = [*prefix, "apt-get", "-q", "-o", "Acquire::Retries=3", *arguments]
    finished = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        tail = "\n".join((finished.stdout + finished.stderr).splitlines()[-15:])
        raise InfrastructureError(f"{' '.join(command)} failed:\n{tail}")


def render(diagnosis: Diagnosis) -> str:
    """The diagnosis as a table, and the command that mends it."""
    lines = []
    width = max((len(health.target) for health in diagnosis.targets), default=0)
    for health in diagnosis.targets:
        qemu = ".".join(map(str, health.qemu)) if health.qemu else "none"
        state = "ready" if health.ready else "missing: " + " ".join(health.missing)
        note = f"  ({health.note})" if health.note else ""
        lines.append(f"{health.target:{width}} QEMU {qemu:8} {state}{note}")
    if diagnosis.missing_tools:
        lines.append(f"{'host':{width}} missing: {' '.join(diagnosis.missing_tools)}")
    command = diagnosis.install_command
    lines.append(f"to install: {command}" if command else "nothing is missing")
    return "\n".join(lines)
