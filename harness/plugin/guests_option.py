"""``--guests``: how many cells run at once in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from harness.errors import UserError
from harness.plugin.worker_input import is_worker
from harness.share import usable_cores

# One interpreter looks after as many without being what they wait for.
_MOST: Final = 8


def add_guests_option(add_option: Callable[..., None]) -> None:
    """The option, which is None where it is not given."""
    add_option(
        "--guests",
        type=int,
        metavar="N",
        help=f"guests at once (default: one a core, at most {_MOST}, as far as memory allows; "
        "one where -n has other processes run tests)",
    )


def check_guests_option(config: pytest.Config) -> None:
    """Raises UserError for a number that cannot be meant, or not beside another option."""
    guests: int | None = config.getoption("--guests")
    if guests is None:
        return
    if guests < 1:
        raise UserError(f"--guests {guests}: no cell could run", hint="--guests 1")
    if guests == 1:
        return
    if config.getoption("numprocesses", None):
        raise UserError(
            "--guests is of one process, and -n has several, of one guest each",
            hint="--guests alone",
        )
    if config.getoption("--cluster"):
        raise UserError(
            "--guests are of this machine, and --cluster runs none here",
            hint="--cluster alone: every worker runs as many guests as it has cores",
        )
    if config.getoption("--timings"):
        raise UserError(
            "--timings compares guests that have the machine to themselves", hint="--guests 1"
        )


def guests_at_once(config: pytest.Config) -> int:
    """How many guests may run at once in this process."""
    given: int | None = config.getoption("--guests")
    if given is not None:
        return given
    if is_worker(config) or config.getoption("--timings"):
        return 1
    return min(_MOST, usable_cores())
