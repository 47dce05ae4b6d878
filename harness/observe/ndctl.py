"""What ndctl prints: JSON of namespaces on stdout, its complaints on stderr.

Read from ndctl 76.1; the recordings are in tests/data/ndctl.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import InfrastructureError
from harness.observe.errno_names import errno_name, find_errno

_USAGE_STATUS = 129  # parse-options: wrong options, and the usage on stderr


@dataclass(frozen=True, slots=True)
class NamespaceInfo:
    """One namespace as ndctl prints it; sizes are bytes, None is what it does not print."""

    name: str
    mode: str
    map: str | None
    size_bytes: int | None
    align_bytes: int | None
    sector_size: int | None
    chardev: str | None
    blockdev: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why ndctl did not do it: the error's name, where it tells one, and its own words."""

    errno: str | None
    message: str


def parse_namespaces(stdout: str) -> tuple[NamespaceInfo, ...]:
    """Namespaces from one JSON object, a list of them, or nothing at all.

    Raises InfrastructureError for text that is no such JSON.
    """
    if not stdout.strip():
        return ()
    try:
        parsed = json.loads(stdout)
        found = parsed if isinstance(parsed, list) else [parsed]
        return tuple(_namespace(item) for item in found)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InfrastructureError(f"ndctl printed no namespace: {stdout[:200]!r}") from exc


def parse_refusal(stderr: str, status: int) -> Refusal:
    """What stderr says of a command that failed with this exit status.

    The error is taken from its words; where ndctl has explained itself in others, the exit
    status is the error number, taken from 256 (a negative return value of main).
    """
    lines = []
    for line in stderr.splitlines():
        if line.strip().startswith("usage:"):
            break
        lines.append(line.strip().removeprefix("Error: "))
    message = "; ".join(line for line in lines if line)
    errno = find_errno(message)
    if errno is None and status > _USAGE_STATUS:
        errno = errno_name(256 - status)
    return Refusal(errno, message)


def _namespace(item: Mapping[str, Any]) -> NamespaceInfo:
    devices = item.get("daxregion", {}).get("devices", [])
    chardev = item.get("chardev") or next((d["chardev"] for d in devices), None)
    return NamespaceInfo(
        name=item["dev"],
        mode=item["mode"],
        map=item.get("map"),
        size_bytes=item.get("size"),
        align_bytes=item.get("align"),
        sector_size=item.get("sector_size"),
        chardev=chardev,
        blockdev=item.get("blockdev"),
    )
