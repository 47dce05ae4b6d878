"""What comes before the first guest of a run."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from harness.errors import UserError
from harness.machine.termination import orderly_termination
from harness.plugin.items import SETTINGS
from harness.plugin.worker_input import is_worker

# What ends when every guest has ended.
AROUND_GUESTS = pytest.StashKey[ExitStack]()


def begin(config: pytest.Config) -> None:
    """Look for the kernel and for room for results, which a controller does and not its workers.

    Raises pytest.UsageError for a kernel that is not there, or a folder that is not to be had.
    """
    # SIGTERM unwinds as Ctrl-C does, so that every guest is ended on the way out.
    config.stash[AROUND_GUESTS].enter_context(orderly_termination())
    if is_worker(config):
        return
    settings = config.stash[SETTINGS]
    try:
        settings.check_kernel()
        settings.open_results()
    except UserError as exc:
        raise pytest.UsageError(str(exc)) from exc
