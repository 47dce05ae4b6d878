"""What a command builds its kernels with; imported once one is to be built."""

from __future__ import annotations

import argparse

from harness.campaign.provide import Provider
from harness.kernel.spec import KernelSpec
from harness.progress import Progress
from harness.stand_ins import StandIns
from harness.store import Store


def provider_of(options: argparse.Namespace, good: KernelSpec | None = None) -> Provider:
    """By ``--kernel`` and the options of ``add_stand_ins``. Raises UserError."""
    root = StandIns.of(options).guest_root
    return Provider(Store.default(), options.kernel, Progress(), good, root)
