"""What daxctl prints: JSON of its devices, as it left them, and its complaints.

Read from daxctl 76.1.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from harness.errors import InfrastructureError
from harness.observe.errno_names import errno_name, find_errno

_LIBRARY = "libdaxctl: "
# What daxctl writes ends in a newline, which goes into its message.
_SYSFS = re.compile(r"failed to (?:write [^\n]*\n? to|open) /sys/\S*: (.+)")
_DONE = re.compile(r"(?:created|destroyed|reconfigured) \d+ devices?")


@dataclass(frozen=True, slots=True)
class DaxDevice:
    """One device-dax device; the last three are of one that serves as RAM, else None."""

    chardev: str
    mode: str
    target_node: int | None
    blocks: int | None
    online_blocks: int | None
    movable: bool | None


def parse_device(stdout: str) -> DaxDevice:
    """The one device of a list. Raises InfrastructureError for anything else."""
    try:
        (item,) = json.loads(stdout)
        return DaxDevice(
            chardev=item["chardev"],
            mode=item["mode"],
            target_node=item.get("target_node"),
            blocks=item.get("total_memblocks"),
            online_blocks=item.get("online_memblocks"),
            movable=item.get("movable"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InfrastructureError(f"daxctl printed no single device: {stdout[:200]!r}") from exc


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why daxctl did not do it: its own error, and the kernel's to what it last wrote to sysfs.

    daxctl turns most of the kernel's errors into others; --verbose shows them.
    """

    errno: str | None
    kernel_errno: str | None
    message: str


def parse_complaint(stderr: str, status: int) -> Complaint:
    """What stderr of a command with --verbose says, that failed with this exit status.

    Raises InfrastructureError for a failure without a word.
    """
    own = (line.strip() for line in _SYSFS.sub("", stderr).splitlines())
    said = (line for line in own if line and not line.startswith(_LIBRARY))
    message = "; ".join(line for line in said if not _DONE.fullmatch(line))
    if not message:
        raise InfrastructureError(f"daxctl ended with status {status} without a word")
    refusals = _SYSFS.findall(stderr)
    kernel = find_errno(refusals[-1]) if refusals else None
    return Complaint(find_errno(message) or errno_name(256 - status), kernel, message)
