"""``--cluster``: its options, and the runner that stands for the one of this host."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.campaign.attempt import RunOptions
    from harness.campaign.provide import Provider
    from harness.cluster.runner import ClusterRunner

# Those of Dask that need nothing more installed.
_ADDRESS = re.compile(r"(tcp|tls|ws|wss)://.+")


def add_cluster_options(add_option: Callable[..., None]) -> None:
    """The options of a run on many machines."""
    add_option(
        "--cluster",
        metavar="ADDRESS",
        help="run cells on the workers of a Dask cluster, tcp://scheduler:8786 (default: here)",
    )
    add_option(
        "--cluster-wait",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="with --cluster: how long cells wait for a worker that can run them (default: 300)",
    )


def check_cluster_options(config: pytest.Config) -> None:
    """Raises UserError for what says nothing, or the wrong thing, on many machines."""
    address: str | None = config.getoption("--cluster")
    if address is None:
        return
    if not _ADDRESS.fullmatch(address):
        hint = f"--cluster tcp://{address or 'scheduler'}{'' if ':' in address else ':8786'}"
        raise UserError(f"--cluster {address}: no address of a Dask scheduler", hint=hint)
    if config.getoption("numprocesses", None):
        raise UserError(
            "-n runs cells here and --cluster elsewhere",
            hint="--cluster alone: every worker runs as many guests as it has cores",
        )
    if config.getoption("--timings"):
        raise UserError(
            "--timings compares guests of one machine, and --cluster has many",
            hint="one of the two",
        )


def open_cluster(
    config: pytest.Config,
    provider: Provider,
    options: RunOptions,
    run_directory: Path,
    guests: int,
) -> ClusterRunner:
    """The cluster of ``--cluster``.

    Raises UserError where Dask is not installed, InfrastructureError where no scheduler
    answers.
    """
    try:
        from harness.cluster.runner import ClusterRunner, connect
    except ModuleNotFoundError as exc:
        raise UserError(
            f"--cluster needs {exc.name}, which is not installed",
            hint="pip install 'daxhound[cluster]'",
        ) from exc
    return ClusterRunner(
        connect(config.getoption("--cluster")),
        provider,
        options,
        run_directory,
        guests=guests,
        patience=config.getoption("--cluster-wait"),
        tell=provider.progress.line,
    )
