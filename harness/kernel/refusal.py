"""Why symbols that were asked for did not take, out of the kernel's own Kconfig files.

Takes seconds, so it is only done once something was refused.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.kconfig import Request
from harness.kernel.make import Make, Toolchain
from harness.kernel.sandbox import python_paths, wrap
from harness.kernel.session import run_apart

_PROGRAM = Path(__file__).with_name("kconfig_tree.py")
_SECONDS = 120

_ENTRY = re.compile(r"(?:menu)?config (\w+)\s*")


def explain_refusals(refused: Sequence[Request], make: Make) -> tuple[str, ...]:
    """One line for each refused request: symbol, where it was asked for, and why not."""
    names = [request.symbol for request in refused]
    reasons, trouble = _ask_kconfig(names, make)
    if trouble:
        reasons = {name: read_depends(make.source, name) for name in names}
    lines = [_line(request, reasons[request.symbol]) for request in refused]
    if trouble:
        lines.append(f"(kconfiglib cannot read these Kconfig files: {trouble})")
    return tuple(lines)


def read_depends(source: Path, symbol: str) -> str:
    """The ``depends on`` lines of a symbol's own entries; conditions around them are not seen."""
    found = [line for path in _kconfig_files(source) for line in _entry_depends(path, symbol)]
    return "; ".join(found) or "no such symbol, or one without dependencies of its own"


def _line(request: Request, reason: str) -> str:
    return f"CONFIG_{request.symbol}={request.text} ({request.where}): {reason}"


def _ask_kconfig(names: Sequence[str], make: Make) -> tuple[dict[str, str], str | None]:
    """Reasons by symbol, or what kconfiglib could not do."""
    question = json.dumps({"dotconfig": str(make.objects / ".config"), "symbols": names})
    environ = _environment(make.source, make.toolchain)
    # Kconfig files run commands of their own: $(shell,...). -P: the program's own directory
    # is no place to import from.
    command = wrap(
        (sys.executable, "-P", str(_PROGRAM)),
        readable=(*python_paths(), *make.toolchain.places, _PROGRAM, make.source),
        writable=(make.objects,),
        environ=environ,
        directory=make.objects,
    )
    try:
        done = run_apart(
            command,
            environ={**os.environ, **environ},
            directory=make.objects,
            text=question,
            seconds=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {}, f"no answer in {_SECONDS} s"
    if done.returncode != 0:
        return {}, done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}"
    return json.loads(done.stdout), None


def _environment(source: Path, toolchain: Toolchain) -> dict[str, str]:
    """What the kernel's Makefile exports to Kconfig (scripts/kconfig/Makefile)."""
    cross = toolchain.cross_compile
    architecture = "x86" if toolchain.arch in ("x86_64", "i386") else toolchain.arch
    return {
        "srctree": str(source),
        "ARCH": toolchain.arch,
        "SRCARCH": architecture,
        "KERNELVERSION": "",
        "CROSS_COMPILE": cross,
        "CC": f"{cross}gcc",
        "HOSTCC": "gcc",
        "LD": f"{cross}ld",
        "AR": f"{cross}ar",
        "NM": f"{cross}nm",
        "OBJCOPY": f"{cross}objcopy",
        "CC_VERSION_TEXT": toolchain.version.partition(";")[0],
        "RUSTC": "rustc",
        "BINDGEN": "bindgen",
        "PAHOLE": "pahole",
        "CONFIG_SHELL": "sh",
        "LC_ALL": "C",
    }


def _kconfig_files(source: Path) -> Iterator[Path]:
    return (path for path in sorted(source.rglob("Kconfig*")) if path.is_file())


def _entry_depends(path: Path, symbol: str) -> Iterable[str]:
    inside = False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if entry := _ENTRY.fullmatch(line):
            inside = entry[1] == symbol
        elif line and not line[0].isspace():
            inside = False
        elif inside and line.strip().startswith("depends on"):
            yield line.strip()
