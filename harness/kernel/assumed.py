"""What must be so of a kernel that nobody built: its version, and what it is asked for.

For predictions, which are worth nothing if they take a build: as if every symbol that is
asked for had taken.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

from harness.errors import UserError
from harness.gates import NEWEST, all_gates
from harness.git import git
from harness.kernel.fragments import load_fragments
from harness.kernel.probes import probe_source
from harness.kernel.revisions import stored_revisions
from harness.kernel.spec import DebianSpec, DirectorySpec, GitSpec, KernelSpec, TarSpec
from harness.kernel.version import parse_version, read_version
from harness.records import KernelFacts
from harness.shipped import typed
from harness.store import Store


def assumed_facts(
    spec: KernelSpec, fragments: Sequence[str], store: Store | None = None
) -> KernelFacts:
    """Facts of a kernel that nobody built: its version, and all that its fragments ask for.

    A source that is there already, a directory or one unpacked in ``store``, answers the
    probes. Raises UserError for fragments that are none, and for a source that is not there.
    """
    version = _version(spec)
    config = {r.symbol: r.value for r in load_fragments(fragments) if r.value != "n"}
    config |= dict.fromkeys(_selected(version[:2], config), "y")
    source = find_source(spec, store)
    return KernelFacts(
        version=version,
        release=f"{version[0]}.{version[1]}",
        config=config,
        struct_page_bytes=_struct_page_bytes(config),
        probes=probe_source(source) if source else {},
    )


def find_source(spec: KernelSpec, store: Store | None) -> Path | None:
    """The source of a spec where it can be read without fetching anything."""
    match spec:
        case DirectorySpec():
            return typed(spec.path)
        case DebianSpec() if store is not None:
            stored = stored_revisions(spec, store)
            asked = spec.revision or next(iter(stored), None)
            return store.root / "source" / f"{spec.package}_{asked}" if asked in stored else None
    return None


def _struct_page_bytes(config: Mapping[str, str]) -> int:
    """sizeof(struct page) by its members (include/linux/mm_types.h).

    Seven words, an eighth for memory control groups, two more for KMSAN; most architectures
    align it to two words.
    """
    words = 7
    words += config.get("MEMCG") == "y" or config.get("SLAB_OBJ_EXT") == "y"
    words += 2 * (config.get("KMSAN") == "y")
    aligned = config.get("HAVE_ALIGNED_STRUCT_PAGE") == "y"
    return 8 * (words + words % 2 if aligned else words)


def _selected(branch: tuple[int, int], config: Container[str]) -> set[str]:
    return {gate.symbol for gate in all_gates() if not gate.asked and gate.is_open(branch, config)}


def _version(spec: KernelSpec) -> tuple[int, int, int]:
    match spec:
        case DebianSpec():
            major, minor = spec.version.split(".")
            # Debian's source packages follow stable closely: the newest patch level is assumed.
            known = re.match(rf"{re.escape(spec.version)}\.([0-9]+)", spec.revision or "")
            return int(major), int(minor), int(known[1]) if known else NEWEST
        case DirectorySpec():
            return read_version(typed(spec.path), spec)
        case GitSpec():
            makefile = git(typed(spec.path), "show", f"{spec.ref}:Makefile").decode()
        case TarSpec():
            makefile = _packed_makefile(spec)
    try:
        return parse_version(makefile)
    except ValueError as exc:
        raise UserError(f"{spec} is no Linux source tree: {exc}") from exc


def _packed_makefile(spec: TarSpec) -> str:
    pattern = ("--wildcards", "--no-wildcards-match-slash", "*/Makefile")
    command = ("tar", "-x", "-O", "-f", typed(spec.path), "--occurrence=1", *pattern)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise UserError(f"{spec} is no Linux source tree: {done.stderr.strip()}")
    return done.stdout
