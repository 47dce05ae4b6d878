"""What is known of a kernel without booting it: read from its build, or assumed.

``read_facts`` looks at a kernel that was built, ``with_probes`` at its source.
``assumed_facts`` is for predictions about one that was not built: as if every symbol that
is asked for had taken.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError, UserError
from harness.git import git
from harness.kconfig import parse_dotconfig
from harness.kernel.constants import compile_constants
from harness.kernel.fragments import load_fragments
from harness.kernel.probes import probe_source
from harness.kernel.source import parse_version, read_version
from harness.kernel.spec import DebianSpec, DirectorySpec, GitSpec, KernelSpec, TarSpec
from harness.records import KernelFacts

FACTS_SCHEMA = 1

# Asked of the compiler; on some architectures some of them are known at boot only.
_CONSTANTS = {
    "struct_page_bytes": "sizeof(struct page)",
    "PAGE_SHIFT": "PAGE_SHIFT",
    "PMD_SHIFT": "PMD_SHIFT",
    "PUD_SHIFT": "PUD_SHIFT",
    "SECTION_SIZE_BITS": "SECTION_SIZE_BITS",
    "SUBSECTION_SHIFT": "SUBSECTION_SHIFT",
    "MAX_PHYSMEM_BITS": "MAX_PHYSMEM_BITS",
}

# Debian's source packages follow stable closely: the newest patch level is assumed.
_NEWEST = 1 << 20


@dataclass(frozen=True, slots=True)
class _Selected:
    """A symbol that architectures select: none asks for it, yet a .config has it."""

    symbol: str
    by: tuple[str, ...]
    since: tuple[int, int]
    before: tuple[int, int] = (_NEWEST, 0)


# arch/x86/Kconfig and arch/powerpc/Kconfig of 6.1.192, 6.12.117 and 7.2.13; the names
# between them from 0b376f1e0ff5 (6.4) and 0b6f15824cc7 (6.6).
_SELECTED = (
    _Selected("HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD", ("X86_MCE",), (4, 15)),
    _Selected("HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD", ("PPC_RADIX_MMU",), (6, 6)),
    _Selected("ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP", ("X86_MCE",), (5, 14), (6, 4)),
    _Selected("ARCH_WANT_OPTIMIZE_VMEMMAP", ("X86_MCE",), (6, 4), (6, 6)),
    _Selected("ARCH_WANT_OPTIMIZE_DAX_VMEMMAP", ("X86_MCE", "PPC_RADIX_MMU"), (6, 6)),
)


def read_facts(source: Path, objects: Path) -> KernelFacts:
    """Facts of the kernel that was built of ``source`` in ``objects``.

    Raises InfrastructureError where the build is not complete.
    """
    try:
        release = (objects / "include/config/kernel.release").read_text().strip()
        config = parse_dotconfig((objects / ".config").read_text(encoding="utf-8"))
        version = parse_version((source / "Makefile").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise InfrastructureError(f"no kernel was built in {objects}: {exc}") from exc
    constants = compile_constants(objects, _CONSTANTS)
    return KernelFacts(
        version=version,
        release=release,
        config=config,
        struct_page_bytes=constants.pop("struct_page_bytes"),
        probes=constants,
    )


def with_probes(facts: KernelFacts, source: Path) -> KernelFacts:
    """The facts of a build, and what its source answers to every question of today.

    Asked anew each time: a question that was added later must not cost a build.
    """
    return replace(facts, probes={**facts.probes, **probe_source(source)})


def assumed_facts(spec: KernelSpec, fragments: Sequence[str]) -> KernelFacts:
    """Facts of a kernel that nobody built: its version, and all that its fragments ask for.

    Raises UserError for fragments that are none, and for a source that is not there.
    """
    version = _version(spec)
    config = {r.symbol: r.value for r in load_fragments(fragments) if r.value != "n"}
    config |= dict.fromkeys(_selected(version[:2], config), "y")
    return KernelFacts(
        version=version,
        release=f"{version[0]}.{version[1]}",
        config=config,
        # Fourteen words, and two more for memory control groups (include/linux/mm_types.h).
        struct_page_bytes=64 if config.get("MEMCG") == "y" else 56,
        probes=probe_source(spec.path.expanduser()) if isinstance(spec, DirectorySpec) else {},
    )


def dump_facts(facts: KernelFacts) -> str:
    """The facts as JSON."""
    record = {
        "schema": FACTS_SCHEMA,
        "version": list(facts.version),
        "release": facts.release,
        "struct_page_bytes": facts.struct_page_bytes,
        "probes": dict(facts.probes),
        "config": dict(facts.config),
    }
    return json.dumps(record, indent=1, sort_keys=True)


def load_facts(text: str) -> KernelFacts:
    """The facts that ``dump_facts`` wrote. Raises InfrastructureError for anything else."""
    try:
        record: dict[str, Any] = json.loads(text)
        if record["schema"] != FACTS_SCHEMA:
            raise InfrastructureError(f"facts of another schema: {record['schema']}")
        major, minor, patch = record["version"]
        return KernelFacts(
            version=(major, minor, patch),
            release=record["release"],
            config=record["config"],
            struct_page_bytes=record["struct_page_bytes"],
            probes=record["probes"],
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise InfrastructureError(f"a kernel's facts cannot be read: {exc!r}") from exc


def _selected(branch: tuple[int, int], config: Iterable[str]) -> set[str]:
    asked = set(config)
    return {
        entry.symbol
        for entry in _SELECTED
        if entry.since <= branch < entry.before and asked & set(entry.by)
    }


def _version(spec: KernelSpec) -> tuple[int, int, int]:
    match spec:
        case DebianSpec():
            major, minor = spec.version.split(".")
            return int(major), int(minor), _NEWEST
        case DirectorySpec():
            return read_version(spec.path.expanduser(), spec)
        case GitSpec():
            makefile = git(spec.path.expanduser(), "show", f"{spec.ref}:Makefile").decode()
        case TarSpec():
            makefile = _packed_makefile(spec)
    try:
        return parse_version(makefile)
    except ValueError as exc:
        raise UserError(f"{spec} is no Linux source tree: {exc}") from exc


def _packed_makefile(spec: TarSpec) -> str:
    pattern = ("--wildcards", "--no-wildcards-match-slash", "*/Makefile")
    command = ("tar", "-x", "-O", "-f", spec.path.expanduser(), "--occurrence=1", *pattern)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise UserError(f"{spec} is no Linux source tree: {done.stderr.strip()}")
    return done.stdout
