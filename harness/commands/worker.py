"""``daxhound worker``: this host for the cells of others, as a worker of a Dask cluster."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from harness.commands.parser import add_command
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.commands.parser import Commands

WORKER_CLASS = "harness.cluster.worker.GuestWorker"

_MORE = """--nthreads is how many guests run at
a time (default: one a core); dask worker --help has the other options. Whoever reaches the
scheduler runs code here (docs/security.md)."""


def add_commands(commands: Commands) -> None:
    """The subcommand."""
    summary = "run cells of others here, as a worker of a Dask cluster"
    examples = (
        "worker tcp://scheduler:8786",
        "worker tcp://scheduler:8786 --nthreads 4 --name shelf-3",
        "worker tls://scheduler:8786 --tls-ca-file ca.pem --tls-cert me.pem --tls-key me.pem",
    )
    command = add_command(commands, "worker", summary, _worker, *examples)
    command.description = f"{command.description} {_MORE}"
    command.add_argument("scheduler", help="the scheduler's address")
    rest = "options of dask worker, passed on"
    command.add_argument("options", nargs=argparse.REMAINDER, metavar="OPTION", help=rest)


def _worker(options: argparse.Namespace) -> int:
    """Becomes Dask's own command."""
    if importlib.util.find_spec("distributed") is None:
        raise UserError("distributed is not installed", hint="pip install 'daxhound[cluster]'")
    words = ["-m", "distributed.cli.dask_worker", options.scheduler]
    words += ["--worker-class", WORKER_CLASS, *options.options]
    os.execv(sys.executable, [sys.executable, *words])
