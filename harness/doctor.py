"""What this host can run, what is missing, and the command that installs it.

Reads the host (dpkg, or PATH where there is none, and QEMU's versions); installs only when
asked to, and says what.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.apt.host import read_host
from harness.errors import InfrastructureError, UserError
from harness.host_packages import (
    APT,
    HostPackages,
    Manager,
    load_host_packages,
    read_os_release,
    this_manager,
)
from harness.machine.versions import Emulator, find_emulator
from harness.progress import Progress
from harness.target import Target

# The first QEMU with pseries x-vof that boots, mapped-ram and a stable nvdimm on virt.
PREFERRED_QEMU = (10, 0)

_DEBIAN_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64el"}


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
    """What doctor found; packages by Debian's names, ``manager`` has this host's own."""

    targets: tuple[TargetHealth, ...]
    missing_tools: tuple[str, ...]
    manager: Manager

    @property
    def missing(self) -> tuple[str, ...]:
        """Every missing package, once, in a stable order."""
        names = [*self.missing_tools, *(p for t in self.targets for p in t.missing)]
        return tuple(dict.fromkeys(names))

    @property
    def install_command(self) -> str | None:
        """The command that brings what is missing; None where nothing is, or nothing would."""
        return self.manager.install(self.missing)


def diagnose(targets: Iterable[Target]) -> Diagnosis:
    """Look at the host; starts nothing but version queries."""
    chosen = tuple(targets)
    host = load_host_packages()
    tools = [entry.package for entry in host.build]
    native = _host_architecture()
    wanted = {target.name: _packages(target, native) for target in chosen}
    if shutil.which("dpkg-query"):
        absent = _absent({*tools, *(name for names in wanted.values() for name in names)})
    else:
        absent = _not_shown(host, chosen)
    return Diagnosis(
        targets=tuple(_health(target, wanted[target.name], absent) for target in chosen),
        missing_tools=tuple(name for name in tools if name in absent),
        manager=host.manager(read_os_release()),
    )


def _packages(target: Target, host: str) -> tuple[str, ...]:
    """Packages of one target; the native compiler is the host's own gcc."""
    compiler = () if target.debian == host else target.packages.compiler
    return (*compiler, *target.packages.qemu)


def _not_shown(host: HostPackages, targets: Iterable[Target]) -> set[str]:
    """Packages whose commands and files a host without dpkg does not have.

    Whether a compiler has its libc cannot be seen so; the package that is named is gcc's.
    """
    absent = {entry.package for entry in host.build if not entry.is_shown}
    for target in targets:
        compiler, *_ = target.packages.compiler
        emulator, *firmware = target.packages.qemu
        if shutil.which(f"{target.kernel.cross_compile}gcc") is None:
            absent.add(compiler)
        if _emulator(target) is None:
            absent.add(emulator)
        code = target.qemu.firmware_code
        if code and not any(path.exists() for path in code):
            absent.update(firmware)
    return absent


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
    """Debian's name of it."""
    if shutil.which("dpkg"):
        return _output(["dpkg", "--print-architecture"]).strip()
    return _DEBIAN_NAMES.get(platform.machine(), platform.machine())


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
    list. Raises UserError without root or apt-get, InfrastructureError where apt fails.
    """
    if not shutil.which("apt-get"):
        by_hand = this_manager().install(packages)
        hint = f"as root: {by_hand}" if by_hand else None
        raise UserError("only apt-get is known well enough to install packages by", hint=hint)
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
        hint=f"as root: {APT} {' '.join(packages)}",
    )


def _backports(prefix: list[str], directory: Path, environment: dict[str, str]) -> list[str]:
    """apt options that add the release's backports, or none where there are no such."""
    codename = read_os_release().get("VERSION_CODENAME", "")
    if not codename.startswith("bookworm"):
        return []
    own = Path("/etc/apt/sources.list")
    listing = directory / "sources.list"
    text = own.read_text(encoding="utf-8") if own.exists() else ""
    uri = read_host([codename]).mirrors.archive
    listing.write_text(f"{text}\ndeb {uri} {codename}-backports main\n", encoding="utf-8")
    lists = directory / "lists"
    (lists / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::Etc::SourceList={listing}", "-o", f"Dir::State::Lists={lists}"]
    # As another user, apt makes the folder its own, and whoever made it cannot remove it any more.
    as_root = ["-o", "APT::Sandbox::User=root"]
    try:
        _apt(prefix, [*options, *as_root, "update"], environment)
    except InfrastructureError:
        return []
    return [*options, "-t", f"{codename}-backports"]


def _apt(prefix: list[str], arguments: Sequence[str], environment: dict[str, str]) -> None:
    command = [*prefix, "apt-get", "-q", "-o", "Acquire::Retries=3", *arguments]
    with Progress(bars=False).task(shlex.join(command), ""):
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


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis for another program."""
    return {
        "targets": [asdict(health) for health in diagnosis.targets],
        "missing_tools": list(diagnosis.missing_tools),
        "install_command": diagnosis.install_command,
    }


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
    if command:
        lines.append(f"to install: {command}")
    nowhere = [name for name in diagnosis.missing if not diagnosis.manager.names_of([name])]
    if nowhere:
        lines.append(f"packaged by nobody here: {' '.join(nowhere)}; see --cross-compile of pytest")
    if not diagnosis.missing:
        lines.append("nothing is missing")
    return "\n".join(lines)
