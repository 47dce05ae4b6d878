"""What is known of a kernel without booting it: read from its build and its source.

Of a kernel that was not built, ``harness.kernel.assumed`` tells what must be so.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError, KernelFailure
from harness.kconfig import parse_dotconfig
from harness.kernel.build_output import in_objects
from harness.kernel.constants import compile_constants
from harness.kernel.make import Make
from harness.kernel.probes import probe_source
from harness.kernel.version import parse_version
from harness.records import KernelFacts

FACTS_SCHEMA = 1

_RELEASE = "include/config/kernel.release"
# A Makefile decides it. Its modules lie in a folder of that name, which the host makes as well.
_NAMES_A_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")

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


def read_facts(make: Make) -> KernelFacts:
    """Facts of the kernel that ``make`` has built.

    Raises InfrastructureError where the build is not complete, KernelFailure where it left what
    is none of its own, or a release that names no folder.
    """
    release_file, dotconfig = (in_objects(make.objects, name) for name in (_RELEASE, ".config"))
    try:
        release = release_file.read_text(encoding="utf-8").strip()
        config = parse_dotconfig(dotconfig.read_text(encoding="utf-8"))
        version = parse_version((make.source / "Makefile").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise InfrastructureError(f"no kernel was built in {make.objects}: {exc}") from exc
    if not _NAMES_A_FOLDER.fullmatch(release):
        raise KernelFailure(f"the kernel's release is {release[:64]!r}, which names no folder")
    constants = compile_constants(make, _CONSTANTS)
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
