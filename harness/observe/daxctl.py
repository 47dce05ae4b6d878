"""What daxctl prints: JSON of its devices, as it left them.

Read from daxctl 76.1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.errors import InfrastructureError


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
