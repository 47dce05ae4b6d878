"""Guests that a test boots by itself, outside of any cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.campaign.provide import Needs, Provider
from harness.guest.boot import BootRequest
from harness.records import Layout
from harness.target import Target


def boot_request(
    provider: Provider, target: Target, layout: Layout, directory: Path, **changes: Any
) -> BootRequest:
    """A guest with the provider's kernel and image, whose console is kept in ``directory``."""
    provisions = provider.provide(Needs(target))
    request = BootRequest(
        target=target,
        layout=layout,
        kernel=provisions.kernel.image,
        initrd=provisions.archives,
        firmware=provisions.firmware,
        console_log=directory / "console.log",
        store_root=provider.store.root,
    )
    return replace(request, **changes)
