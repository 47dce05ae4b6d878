"""What is known of a kernel without booting it: read from its build and its source.

Of a kernel that was not built, ``harness.kernel.assumed`` tells what must be so.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError
from harness.kconfig import parse_dotconfig
from harness.kernel.constants import compile_constants
from harness.kernel.make import Make
from harness.kernel.probes import probe_source
from harness.kernel.version import parse_version
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


def read_facts(make: Make) -> KernelFacts:
    """Facts of the kernel that ``make`` has built.

    Raises InfrastructureError where the build is not complete.
    """
    objects = make.objects
    try:
        release = (objects / "include/config/kernel.release").read_text().strip()
        config = parse_dotconfig((objects / ".config").read_text(encoding="utf-8"))
        version = parse_version((make.source / "Makefile").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise InfrastructureError(f"no kernel was built in {objects}: {exc}") from exc
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
