"""ndctl and its test programs, built by its own meson for a guest."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2

from harness.errors import InfrastructureError
from harness.host_packages import install_command
from harness.image import cpio
from harness.image.ndctl_contents import SUITE
from harness.kernel.build_log import first_errors
from harness.kernel.sandbox import wrap
from harness.kernel.session import run_apart
from harness.target import Target

# Debian packages of the host's tools.
_TOOLS = {"meson": "meson", "ninja": "ninja-build", "pkg-config": "pkgconf"}
_CROSS = Path(__file__).with_name("ndctl-cross.ini.j2")
_TOOL_PROGRAMS = ("ndctl/ndctl", "daxctl/daxctl", "cxl/cxl")
# monitor.sh has its tool read every *.conf there.
_CONFIGURATION = ("ndctl/monitor.conf",)


@dataclass(frozen=True, slots=True)
class NdctlBuild:
    """One build: ``source`` and ``sysroot`` are read, all else is below ``work``."""

    target: Target
    source: Path
    sysroot: Path
    options: tuple[str, ...]
    work: Path

    @property
    def objects(self) -> Path:
        return self.work / "objects"

    def run(self) -> tuple[cpio.Entry, ...]:
        """The files of ndctl's tests, as a guest has them. Raises InfrastructureError."""
        check_tools()
        cross = self.work / "cross.ini"
        cross.write_text(_render_cross(self.target, self.sysroot), encoding="utf-8")
        self.objects.mkdir()
        headers = self.sysroot / "usr/include/iniparser"
        setup = ("meson", "setup", str(self.objects), str(self.source), "--cross-file", str(cross))
        self._call((*setup, *self.options, f"-Diniparserdir={headers}", "-Dversion-tag=tests"))
        self._call(("ninja", "-C", str(self.objects)))
        listed = self._call(("meson", "introspect", "--tests", str(self.objects)))
        return tuple(self._entries(json.loads(listed)))

    def _call(self, command: Sequence[str]) -> str:
        inside = wrap(
            command,
            readable=(self.source, self.sysroot),
            writable=(self.work,),
            environ={"LC_ALL": "C"},
        )
        done = run_apart(inside, environ={**os.environ, "LC_ALL": "C"})
        if done.returncode != 0:
            text = done.stdout + done.stderr
            said = first_errors(text) or tuple(text.splitlines()[-5:])
            raise InfrastructureError("ndctl does not build:\n  " + "\n  ".join(said))
        return done.stdout

    def _entries(self, tests: Sequence[Mapping[str, Any]]) -> Iterator[cpio.Entry]:
        yield cpio.file(f"{SUITE}/tests", list_tests(tests).encode())
        for name in _TOOL_PROGRAMS:
            yield cpio.file(f"{SUITE}/{name}", (self.objects / name).read_bytes(), 0o755)
        for name in _CONFIGURATION:
            yield cpio.file(f"{SUITE}/{name}", (self.source / name).read_bytes())
        built = (path for path in (self.objects / "test").iterdir() if path.is_file())
        written = (path for path in (self.source / "test").iterdir() if path.suffix != ".c")
        for path in sorted((*built, *written), key=lambda path: path.name):
            if path.is_file() and path.name != "meson.build":
                mode = 0o755 if os.access(path, os.X_OK) else 0o644
                yield cpio.file(f"{SUITE}/test/{path.name}", path.read_bytes(), mode)


def list_tests(tests: Sequence[Mapping[str, Any]]) -> str:
    """What meson knows of the tests as lines for the guest: name, suites, program."""
    rows = (
        (str(test["name"]), _suites(test), f"test/{PurePosixPath(test['cmd'][-1]).name}")
        for test in tests
    )
    return "".join(" ".join(row) + "\n" for row in rows)


def _suites(test: Mapping[str, Any]) -> str:
    """``ndctl:dax`` is the project's suite ``dax``."""
    return ",".join(str(name).rpartition(":")[2] for name in test["suite"])


def check_tools() -> None:
    """Raises InfrastructureError that says what to install."""
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent:
        remedy = install_command(*(_TOOLS[tool] for tool in absent))
        raise InfrastructureError(f"{', '.join(absent)} missing: {remedy}")


def _render_cross(target: Target, sysroot: Path) -> str:
    multiarch = target.kernel.cross_compile.removesuffix("-")
    cpu = multiarch.partition("-")[0]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    template = environment.from_string(_CROSS.read_text(encoding="utf-8"))
    return template.render(
        cross=target.kernel.cross_compile, sysroot=sysroot, multiarch=multiarch, cpu=cpu
    )
